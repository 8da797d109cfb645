import { createHash } from 'node:crypto';
import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import type { EdgeConfig, EdgeSource, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { ProviderRequest } from '@posthorn/providers/provider-request.js';
import {
  unrecognizedEvent,
  type Provider,
  type ProviderAnswer,
  type ProviderEvent,
  type Verdict,
} from '@posthorn/providers/provider.js';
import { RequestHeaders } from '@posthorn/providers/request-headers.js';
import { verifyRequest } from '@posthorn/providers/verify-request.js';
import type { Tracer } from '@posthorn/server/trace.js';
import type { AppendClient } from '../clients/append.client.js';
import { ProviderRefusal } from '../domain/provider-refusal.js';
import type { TenantQuota } from '../domain/tenant-quota.js';
import { visibleUrl } from '../domain/visible-url.js';
import type { EnforceOptOuts } from './enforce-opt-outs.js';
import { clientAddress, isTrustedPeer, type ProxyTrust } from './client-address.js';
import type { IntakeReport, RequestSubject } from './intake-report.js';
import { sealRequest } from './seal-request.js';
import type { SourceRules, SourceSettings } from './source-settings.js';

const RETRY_AFTER_MS = 2_000;

/** A request as the HTTP server read it. */
export interface ArrivedRequest {
  readonly method: string;
  /** As the client wrote it: path and query. */
  readonly target: string;
  /** The tenant's slug. */
  readonly slug: string;
  readonly sourceId: string;
  /** Name and value alternate. */
  readonly rawHeaders: readonly string[];
  readonly host: string;
  readonly traceparent: string | undefined;
  /** Of the socket. */
  readonly remoteAddress: string;
  readonly body: Buffer;
}

/** What the provider is answered. */
export interface IntakeAnswer extends ProviderAnswer {
  /** `req_…` */
  readonly requestId: string;
}

/** How this deployment is reached. */
export class IntakePlace {
  /** @param deploymentUrl where providers reach it; empty = as the request says. */
  constructor(
    readonly trust: ProxyTrust,
    readonly deploymentUrl: string,
  ) {}
}

/** Where a request belongs. */
interface Addressee {
  readonly tenant: EdgeTenant;
  readonly source: EdgeSource;
  readonly rules: SourceRules;
  readonly subject: RequestSubject;
  readonly requestUuid: Buffer;
}

/**
 * Takes one provider request: prove it authentic, have it stored, answer. Nothing else happens before the
 * 2xx, except that an opt-out is in force by then; and there is none without a commit.
 */
export class TakeRequest {
  constructor(
    private readonly config: Pick<EdgeConfig, 'isReady' | 'tenantBySlug' | 'source'>,
    private readonly settings: SourceSettings,
    private readonly quota: TenantQuota,
    private readonly store: Pick<AppendClient, 'append'>,
    private readonly optOuts: Pick<EnforceOptOuts, 'run'>,
    private readonly report: IntakeReport,
    private readonly tracer: Tracer,
    private readonly clock: Clock,
    private readonly place: IntakePlace,
  ) {}

  /** @throws AppError with the code of the refusal; retryable ones carry a time to wait. */
  async run(arrived: ArrivedRequest): Promise<IntakeAnswer> {
    const startedMs = this.clock.monotonicMs();
    let addressee: Addressee | undefined;
    this.report.requestBegun();
    try {
      addressee = this.route(arrived);
      this.admit(addressee, arrived, startedMs);
      return await this.take(addressee, arrived, startedMs);
    } catch (error) {
      this.report.refused(error, addressee?.subject);
      throw error;
    } finally {
      this.report.requestEnded();
    }
  }

  /** One error for every address that is nobody's, so that none tells what exists. */
  private route({ slug, sourceId }: ArrivedRequest): Addressee {
    // Before the first snapshot nothing is known: "not found" would be a lie that ends the provider's retries.
    if (!this.config.isReady) throw unavailable('the configuration is not here yet');
    const tenant = this.config.tenantBySlug(slug);
    const source = tenant === undefined ? undefined : this.config.source(sourceId);
    if (
      tenant === undefined ||
      source === undefined ||
      source.tenantId !== tenant.id ||
      source.status === 'disabled'
    ) {
      throw new AppError('request.not_found');
    }
    const requestUuid = newUuid(this.clock.nowMs());
    const requestId = formatId('req', requestUuid);
    const rules = this.settings.of(source);
    const provider = rules instanceof Error ? 'unknown' : rules.provider.id;
    const subject = { requestId, provider, tenantId: tenant.id, sourceId: source.id };
    if (rules instanceof Error) {
      this.report.unusableSource(rules, subject);
      throw unavailable('this source cannot be served by this version');
    }
    return { tenant, source, rules, subject, requestUuid };
  }

  /** What can be said before the signature is looked at. */
  private admit({ tenant, rules }: Addressee, arrived: ArrivedRequest, nowMs: number): void {
    const { maxBodyBytes } = rules.settings;
    if (arrived.body.length > maxBodyBytes)
      throw new AppError('request.too_large', { detail: `at most ${maxBodyBytes} bytes` });
    if (!rules.provider.methods.includes(arrived.method as 'POST'))
      throw new AppError('request.method_not_allowed');
    const waitMs = this.quota.take(tenant.id, nowMs);
    if (waitMs > 0) throw new AppError('quota.exceeded', { retryAfterMs: waitMs });
    if (rules.allowlist.isEmpty) return;
    const forwarded = new RequestHeaders(arrived.rawHeaders).all('x-forwarded-for');
    if (!rules.allowlist.has(clientAddress(arrived.remoteAddress, forwarded, this.place.trust)))
      throw new AppError('address.not_allowed');
  }

  private async take(
    { tenant, source, rules, subject, requestUuid }: Addressee,
    arrived: ArrivedRequest,
    startedMs: number,
  ): Promise<IntakeAnswer> {
    const { provider, settings } = rules;
    const { requestId } = subject;
    const receivedAtMs = this.clock.nowMs();
    const request = this.requestOf(arrived, settings.publicUrl);
    const secrets = source.secretsAt(receivedAtMs);
    const challenge = provider.challenge?.(request, secrets, settings);
    if (challenge !== undefined) {
      this.report.challenged(provider.id);
      return { ...challenge, requestId };
    }
    const verdict = verifyRequest(provider, request, secrets, settings, receivedAtMs);
    if (!verdict.isAuthentic) {
      if (settings.verification === 'enforce')
        throw new ProviderRefusal(verdict.cause, verdict.detail, provider);
      this.report.monitored(provider.id, verdict.cause);
    }
    const events = this.eventsOf(request, rules, subject);
    const span = this.tracer.start('intake', {
      kind: 'server',
      startMs: receivedAtMs,
      ...(arrived.traceparent !== undefined && { parent: arrived.traceparent }),
    });
    if (span.isSampled) for (const [name, value] of Object.entries(subject)) span.set(name, value);
    try {
      const sealed = sealRequest({
        request,
        requestUuid,
        tenant,
        source,
        ...judgement(verdict),
        events,
        receivedAtMs,
        traceparent: span.traceparent,
      });
      const appended = await this.store.append(sealed);
      await this.optOuts.run(sealed, appended);
      this.report.stored(provider.id, appended.isDuplicate, this.clock.monotonicMs() - startedMs);
      span.end();
    } catch (error) {
      span.end(undefined, error);
      throw error;
    }
    return { ...provider.answer(events), requestId };
  }

  /** The events of an authentic request. One that breaks its adapter is kept like one that is not understood. */
  private eventsOf(
    request: ProviderRequest,
    { provider, settings }: SourceRules,
    subject: RequestSubject,
  ): readonly ProviderEvent[] {
    const events = parsed(provider, request, settings, (error) => this.report.parserFailed(error, subject));
    const notUnderstood = events.reduce(
      (count, { type }) => count + (type === 'event.unrecognized' ? 1 : 0),
      0,
    );
    if (notUnderstood > 0) this.report.notUnderstood(provider.id, notUnderstood);
    return events;
  }

  private requestOf(arrived: ArrivedRequest, publicUrl: string | undefined): ProviderRequest {
    const headers = new RequestHeaders(arrived.rawHeaders);
    const { trust, deploymentUrl } = this.place;
    let [scheme, host] = ['http', arrived.host];
    if (publicUrl === undefined && deploymentUrl === '' && isTrustedPeer(arrived.remoteAddress, trust)) {
      scheme = last(headers.all('x-forwarded-proto')) ?? scheme;
      host = last(headers.all('x-forwarded-host')) ?? host;
    }
    const url = visibleUrl({ target: arrived.target, scheme, host }, publicUrl, deploymentUrl);
    return new ProviderRequest(arrived.method, arrived.target, url, headers, arrived.body);
  }
}

function parsed(
  provider: Provider,
  request: ProviderRequest,
  settings: SourceRules['settings'],
  failed: (error: unknown) => void,
): readonly ProviderEvent[] {
  try {
    const events = provider.parse(request, settings);
    if (events.length > 0) return events;
    failed(new Error('the adapter gave no event'));
  } catch (error) {
    failed(error);
  }
  const bytes = createHash('sha256').update(request.target).update('\n').update(request.body);
  return [unrecognizedEvent(`body:${bytes.digest('hex')}`, 'the adapter failed')];
}

const judgement = (verdict: Verdict) =>
  verdict.isAuthentic
    ? { secretId: verdict.secretId, unauthenticCause: undefined }
    : { secretId: undefined, unauthenticCause: verdict.cause };

/** The value that the nearest proxy wrote. */
const last = (values: readonly string[]): string | undefined => values.at(-1)?.split(',').at(-1)?.trim();

const unavailable = (detail: string): AppError =>
  new AppError('service.unavailable', { detail, retryAfterMs: RETRY_AFTER_MS });
