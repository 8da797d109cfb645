import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import type { EdgeConfig, EdgeSource, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { ProviderRequest } from '@posthorn/providers/provider-request.js';
import {
  type Provider,
  type ProviderAnswer,
  type ProviderEvent,
  type Verdict,
} from '@posthorn/providers/provider.js';
import { RequestHeaders } from '@posthorn/providers/request-headers.js';
import { verifyRequest } from '@posthorn/providers/verify-request.js';
import type { Tracer } from '@posthorn/server/trace.js';
import type { AppendClient, Appended } from '../clients/append.client.js';
import { ProviderRefusal, StoreRefusal } from '../domain/provider-refusal.js';
import type { ArrivedRequest, IntakePlace } from './arrived-request.js';
import { clientAddress } from './client-address.js';
import type { EnforceOptOuts } from './enforce-opt-outs.js';
import type { IntakeReport, RequestSubject } from './intake-report.js';
import type { KeepRefusals } from './keep-refusals.js';
import type { ReportSecretUse } from './report-secret-use.js';
import { sealRequest } from './seal-request.js';
import type { SenderKeys } from './sender-keys.js';
import type { SourceRules, SourceSettings } from './source-settings.js';
import { understandRequest } from './understand-request.js';
import type { WatchShapes } from './watch-shapes.js';

const RETRY_AFTER_MS = 2_000;

/** What the provider is answered. */
export interface IntakeAnswer extends ProviderAnswer {
  /** `req_…` */
  readonly requestId: string;
}

/** A request that was refused for its signature, and kept. */
export interface KeptRequest {
  readonly tenant: EdgeTenant;
  readonly sourceId: string;
  readonly requestUuid: Buffer;
  readonly receivedAtMs: number;
  readonly arrived: ArrivedRequest;
}

/** Where a request belongs. */
interface Addressee {
  readonly tenant: EdgeTenant;
  readonly source: EdgeSource;
  readonly rules: SourceRules;
  readonly subject: RequestSubject;
  readonly requestUuid: Buffer;
  readonly receivedAtMs: number;
}

/**
 * Takes one provider request: prove it authentic, have it stored, answer. Nothing else happens before the
 * 2xx, except that an opt-out is in force by then; and there is none without a commit.
 */
export class TakeRequest {
  constructor(
    private readonly config: Pick<EdgeConfig, 'isReady' | 'tenantBySlug' | 'source'>,
    private readonly settings: SourceSettings,
    private readonly keys: Pick<SenderKeys, 'of' | 'afresh'>,
    private readonly store: Pick<AppendClient, 'append'>,
    private readonly optOuts: Pick<EnforceOptOuts, 'run'>,
    private readonly refusals: Pick<KeepRefusals, 'keep'>,
    private readonly uses: Pick<ReportSecretUse, 'matched'>,
    private readonly shapes: Pick<WatchShapes, 'offer'>,
    private readonly report: IntakeReport,
    private readonly tracer: Tracer,
    private readonly clock: Clock,
    private readonly place: IntakePlace,
  ) {}

  /**
   * @param slug the tenant's. @param onAddressed told the request's ID (`req_…`) once the address is somebody's:
   * refusals are answered with it too.
   * @throws AppError with the code of the refusal; retryable ones carry a time to wait.
   */
  async run(
    slug: string,
    sourceId: string,
    arrived: ArrivedRequest,
    onAddressed?: (requestId: string) => void,
  ): Promise<IntakeAnswer> {
    const startedMs = this.clock.monotonicMs();
    let addressee: Addressee | undefined;
    this.report.requestBegun();
    try {
      addressee = this.route(slug, sourceId);
      onAddressed?.(addressee.subject.requestId);
      this.admit(addressee, arrived);
      return await this.take(addressee, arrived, addressee.receivedAtMs, startedMs);
    } catch (error) {
      this.report.refused(error, addressee?.subject);
      if (error instanceof ProviderRefusal) this.refusals.keep({ ...addressee!, arrived, cause: error.code });
      throw error;
    } finally {
      this.report.requestEnded();
    }
  }

  /**
   * Takes a request again that was refused before: by the secrets of today, as fresh as it was when it came.
   * @throws AppError, a ProviderRefusal when it is still not authentic.
   */
  async runAgain({ tenant, sourceId, requestUuid, receivedAtMs, arrived }: KeptRequest): Promise<void> {
    const startedMs = this.clock.monotonicMs();
    const addressee = this.addresseeOf(tenant, this.config.source(sourceId), requestUuid, receivedAtMs);
    await this.take(addressee, arrived, this.clock.nowMs(), startedMs);
  }

  private route(slug: string, sourceId: string): Addressee {
    // Before the first snapshot nothing is known: "not found" would be a lie that ends the provider's retries.
    if (!this.config.isReady) throw unavailable('the configuration is not here yet');
    const receivedAtMs = this.clock.nowMs();
    const tenant = this.config.tenantBySlug(slug);
    const source = tenant === undefined ? undefined : this.config.source(sourceId);
    return this.addresseeOf(tenant, source, newUuid(receivedAtMs), receivedAtMs);
  }

  /** One error for every address that is nobody's, so that none tells what exists. */
  private addresseeOf(
    tenant: EdgeTenant | undefined,
    source: EdgeSource | undefined,
    requestUuid: Buffer,
    receivedAtMs: number,
  ): Addressee {
    if (
      tenant === undefined ||
      source === undefined ||
      source.tenantId !== tenant.id ||
      source.status === 'disabled'
    ) {
      throw new AppError('request.not_found');
    }
    const requestId = formatId('req', requestUuid);
    const rules = this.settings.of(source);
    const provider = rules instanceof Error ? 'unknown' : rules.provider.id;
    const subject = { requestId, provider, tenantId: tenant.id, sourceId: source.id };
    if (rules instanceof Error) {
      this.report.unusableSource(rules, subject);
      throw unavailable('this source cannot be served by this version');
    }
    return { tenant, source, rules, subject, requestUuid, receivedAtMs };
  }

  /** What can be said before the signature is looked at. */
  private admit({ rules }: Addressee, arrived: ArrivedRequest): void {
    const { maxBodyBytes } = rules.settings;
    if (arrived.body.length > maxBodyBytes)
      throw new AppError('request.too_large', { detail: `at most ${maxBodyBytes} bytes` });
    if (!rules.provider.methods.includes(arrived.method as 'POST'))
      throw new AppError('request.method_not_allowed');
    if (rules.allowlist.isEmpty) return;
    const forwarded = new RequestHeaders(arrived.rawHeaders).all('x-forwarded-for');
    if (!rules.allowlist.has(clientAddress(arrived.remoteAddress, forwarded, this.place.trust)))
      throw new AppError('address.not_allowed');
  }

  /** @param secretsAtMs whose secrets count; Unix milliseconds. @param startedMs monotonic. */
  private async take(
    { tenant, source, rules, subject, requestUuid, receivedAtMs }: Addressee,
    arrived: ArrivedRequest,
    secretsAtMs: number,
    startedMs: number,
  ): Promise<IntakeAnswer> {
    const { provider, settings } = rules;
    const { requestId } = subject;
    const request = this.place.requestOf(arrived, rules);
    const secrets = source.secretsAt(secretsAtMs);
    const challenge = provider.challenge?.(request, secrets, settings);
    if (challenge !== undefined) {
      this.report.challenged(provider.id);
      return { ...challenge, requestId };
    }
    const verdict =
      rules.keyUrl === undefined
        ? verifyRequest(provider, request, secrets, settings, receivedAtMs)
        : await this.verifyByPublished(rules.keyUrl, rules, request, secrets, receivedAtMs);
    if (verdict.isAuthentic) {
      if (verdict.secretId !== undefined) this.uses.matched(tenant.id, verdict.secretId, receivedAtMs);
    } else {
      if (settings.verification === 'enforce')
        throw new ProviderRefusal(verdict.cause, verdict.detail, provider, settings);
      this.report.monitored(provider.id, verdict.cause);
    }
    const events = this.eventsOf(request, rules, subject, tenant);
    const span = this.tracer.start('intake', {
      kind: 'server',
      startMs: receivedAtMs,
      ...(arrived.traceparent !== undefined && { parent: arrived.traceparent }),
    });
    if (span.isSampled) for (const [name, value] of Object.entries(subject)) span.set(name, value);
    let appended: Appended | undefined;
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
      appended = await this.store.append(sealed);
      await this.optOuts.run(sealed, appended);
      this.report.stored(subject, sealed, appended, this.clock.monotonicMs() - startedMs);
      if (verdict.isAuthentic)
        this.shapes.offer({ tenant, provider: provider.id, request, events, sealed, appended });
      span.end();
    } catch (error) {
      span.end(undefined, error);
      throw appended === undefined ? unappended(error, provider) : error;
    }
    return { ...provider.answer(events), requestId };
  }

  /** By the keys that the sender publishes, beside those of the source; by newer ones when it names one of them. */
  private async verifyByPublished(
    keyUrl: string,
    { provider, settings }: SourceRules,
    request: ProviderRequest,
    secrets: ReturnType<EdgeSource['secretsAt']>,
    receivedAtMs: number,
  ): Promise<Verdict> {
    const known = await this.keys.of(keyUrl);
    const verdict = verifyRequest(provider, request, [...secrets, known], settings, receivedAtMs);
    if (verdict.isAuthentic || verdict.isKeyUnknown !== true) return verdict;
    const newer = await this.keys.afresh(keyUrl);
    return verifyRequest(provider, request, [...secrets, newer], settings, receivedAtMs);
  }

  /** The events of an authentic request. One that breaks its adapter is kept like one that is not understood. */
  private eventsOf(
    request: ProviderRequest,
    rules: SourceRules,
    subject: RequestSubject,
    tenant: EdgeTenant,
  ): readonly ProviderEvent[] {
    const events = understandRequest(request, rules, tenant, (error) =>
      this.report.parserFailed(error, subject),
    );
    const notUnderstood = events.reduce(
      (count, { type }) => count + (type === 'event.unrecognized' ? 1 : 0),
      0,
    );
    if (notUnderstood > 0) this.report.notUnderstood(rules.provider.id, notUnderstood);
    return events;
  }
}

const judgement = (verdict: Verdict) =>
  verdict.isAuthentic
    ? { secretId: verdict.secretId, nonce: verdict.nonce, unauthenticCause: undefined }
    : { secretId: undefined, nonce: undefined, unauthenticCause: verdict.cause };

/** What the log can never take is answered as this provider understands it. */
const unappended = (error: unknown, provider: Provider): unknown =>
  error instanceof AppError && error.code === 'request.invalid' ? new StoreRefusal(error, provider) : error;

const unavailable = (detail: string): AppError =>
  new AppError('service.unavailable', { detail, retryAfterMs: RETRY_AFTER_MS });
