import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { IntakeQuotas, Quota } from '../domain/intake-quotas.js';
import type { IntakeReport } from './intake-report.js';
import type { LoopLoad } from './loop-load.js';
import type { SourceSettings } from './source-settings.js';

const OVERLOAD_RETRY_AFTER_MS = 2_000;

/** Of a tenant that has no quota of its own. */
export class UsualQuota implements Quota {
  constructor(
    readonly ratePerSecond: number,
    readonly burst: number,
  ) {}
}

/** Says before a body is read whether a request comes at a time when it can be taken. */
export class AdmitRequest {
  constructor(
    private readonly config: Pick<EdgeConfig, 'tenantBySlug' | 'source'>,
    private readonly settings: SourceSettings,
    private readonly quotas: IntakeQuotas,
    private readonly usual: UsualQuota,
    private readonly load: Pick<LoopLoad, 'isTooHigh'>,
    private readonly report: IntakeReport,
    private readonly clock: Clock,
  ) {}

  /**
   * @param slug the tenant's.
   * @returns what to refuse it with: `store.overloaded`, or `quota.exceeded` of its source or tenant. Undefined: let
   * it come; also one that is addressed to nobody, which gets its own answer.
   */
  refusalOf(slug: string, sourceId: string): AppError | undefined {
    if (this.load.isTooHigh) {
      const error = new AppError('store.overloaded', { retryAfterMs: OVERLOAD_RETRY_AFTER_MS });
      this.report.refused(error, undefined);
      return error;
    }
    const source = this.config.source(sourceId);
    const tenant = source === undefined ? undefined : this.config.tenantBySlug(slug);
    if (source === undefined || tenant === undefined || source.tenantId !== tenant.id) return undefined;
    if (source.status === 'disabled') return undefined;
    const rules = this.settings.of(source);
    if (rules instanceof Error) return undefined;
    const nowMs = this.clock.monotonicMs();
    const waitMs =
      (rules.quota !== undefined && this.quotas.take(source.id, rules.quota, nowMs)) ||
      this.quotas.take(tenant.id, tenant.intakeQuota ?? this.usual, nowMs);
    if (waitMs === 0) return undefined;
    const error = new AppError('quota.exceeded', { retryAfterMs: waitMs });
    const requestId = formatId('req', newUuid(this.clock.nowMs()));
    this.report.refused(error, {
      ...{ requestId, provider: rules.provider.id, tenantId: tenant.id, sourceId: source.id },
    });
    return error;
  }
}
