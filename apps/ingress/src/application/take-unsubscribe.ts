import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import { readUnsubscribeToken, type Unsubscribe } from '@posthorn/crypto/unsubscribe-token.js';
import type { EdgeConfig, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { RequestHeaders } from '@posthorn/providers/request-headers.js';
import type { Tracer } from '@posthorn/server/trace.js';
import type { AppendClient, Appended, IntakeRequest } from '../clients/append.client.js';
import { isOneClick, ONE_CLICK, ONE_CLICK_BYTES_MAX } from '../domain/one-click.js';
import type { IntakeQuotas } from '../domain/intake-quotas.js';
import type { ArrivedRequest } from './arrived-request.js';
import type { EnforceOptOuts } from './enforce-opt-outs.js';
import type { IntakeReport, RequestSubject } from './intake-report.js';
import type { LoopLoad } from './loop-load.js';
import { sealUnsubscribe, type TakenUnsubscribe } from './seal-unsubscribe.js';

const RETRY_AFTER_MS = 2_000;
/** In the place of a provider, in metrics and logs. */
const LINK = 'unsubscribe';
/** Of one tenant: what a large mailing brings in its first minutes, with room to spare. What its providers post does not count. */
const UNSUBSCRIBES = { ratePerSecond: 500, burst: 5_000 };

interface Found {
  readonly unsubscribe: Unsubscribe;
  readonly tenant: EdgeTenant;
}

/** Takes people off a list by the link that is in each marketing mail: one POST, in force before its 200. */
export class TakeUnsubscribe {
  constructor(
    private readonly config: Pick<EdgeConfig, 'isReady' | 'tenant'>,
    private readonly store: Pick<AppendClient, 'append'>,
    private readonly optOuts: Pick<EnforceOptOuts, 'run'>,
    private readonly quotas: IntakeQuotas,
    private readonly load: Pick<LoopLoad, 'isTooHigh'>,
    private readonly report: IntakeReport,
    private readonly tracer: Tracer,
    private readonly clock: Clock,
  ) {}

  /**
   * Looks at a link and changes nothing: programs open links to check them.
   * @throws AppError `request.not_found` for anything that is no link of ours, whatever is wrong with it;
   * `store.overloaded`, `service.unavailable`, `data_key.unavailable` while that cannot be told.
   */
  check(token: string): void {
    try {
      this.find(token);
    } catch (error) {
      this.report.refused(error, undefined);
      throw error;
    }
  }

  /**
   * Resolves when the person is off the list: stored, and in force. The same link again changes nothing more.
   * @throws AppError as `check` does; `request.too_large`, `request.invalid` for a body that does not ask for it;
   * `quota.exceeded`; those of the append.
   */
  async run(token: string, arrived: ArrivedRequest): Promise<void> {
    const startedMs = this.clock.monotonicMs();
    let subject: RequestSubject | undefined;
    this.report.requestBegun();
    try {
      const found = this.find(token);
      const receivedAtMs = this.clock.nowMs();
      const requestUuid = newUuid(receivedAtMs);
      const requestId = formatId('req', requestUuid);
      subject = { requestId, provider: LINK, tenantId: found.tenant.id, sourceId: '' };
      this.admit(found.tenant, arrived);
      const stored = await this.append(found, { arrived, requestUuid, receivedAtMs });
      this.report.stored(subject, ...stored, this.clock.monotonicMs() - startedMs);
    } catch (error) {
      this.report.refused(error, subject);
      throw error;
    } finally {
      this.report.requestEnded();
    }
  }

  /** One error for everything that is no link of ours, so that none tells what exists. */
  private find(token: string): Found {
    if (this.load.isTooHigh) throw new AppError('store.overloaded', { retryAfterMs: RETRY_AFTER_MS });
    // Before the first snapshot nothing is known: "not found" would be a lie.
    if (!this.config.isReady)
      throw new AppError('service.unavailable', {
        detail: 'the configuration is not here yet',
        retryAfterMs: RETRY_AFTER_MS,
      });
    let tenant: EdgeTenant | undefined;
    const unsubscribe = readUnsubscribeToken(token, (tenantId) => {
      tenant = this.config.tenant(formatId('ten', tenantId));
      if (tenant === undefined || tenant.hashKey !== undefined) return tenant?.hashKey;
      throw new AppError('data_key.unavailable', { retryAfterMs: RETRY_AFTER_MS });
    });
    if (tenant === undefined || unsubscribe === undefined) throw new AppError('request.not_found');
    return { tenant, unsubscribe };
  }

  private admit(tenant: EdgeTenant, { rawHeaders, body }: ArrivedRequest): void {
    if (body.length > ONE_CLICK_BYTES_MAX)
      throw new AppError('request.too_large', { detail: `at most ${ONE_CLICK_BYTES_MAX} bytes` });
    const [contentType = ''] = new RequestHeaders(rawHeaders).all('content-type');
    if (!isOneClick(contentType, body))
      throw new AppError('request.invalid', {
        fields: [{ path: ONE_CLICK.name, message: `must be ${ONE_CLICK.value}` }],
      });
    const waitMs = this.quotas.take(`unsubscribe/${tenant.id}`, UNSUBSCRIBES, this.clock.monotonicMs());
    if (waitMs > 0) throw new AppError('quota.exceeded', { retryAfterMs: waitMs });
  }

  /** @returns what the log was handed, and whether it was there before. In force by now in either case. */
  private async append(
    { unsubscribe, tenant }: Found,
    taken: Pick<TakenUnsubscribe, 'arrived' | 'requestUuid' | 'receivedAtMs'>,
  ): Promise<[IntakeRequest, Appended]> {
    const { traceparent: parent } = taken.arrived;
    const options = { kind: 'server', startMs: taken.receivedAtMs } as const;
    const span = this.tracer.start('unsubscribe', { ...options, ...(parent !== undefined && { parent }) });
    try {
      const sealed = sealUnsubscribe({ ...taken, unsubscribe, tenant, traceparent: span.traceparent });
      const appended = await this.store.append(sealed);
      await this.optOuts.run(sealed, appended);
      span.end();
      return [sealed, appended];
    } catch (error) {
      span.end(undefined, error);
      throw error;
    }
  }
}
