import { type Clock } from '@posthorn/clock/clock.js';
import { uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database } from '@posthorn/postgres/database.js';
import { FieldErrors } from '../domain/field-errors.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { type NotifyTenant } from './notify-tenant.js';

/** What those who take requests found out of a source: nothing authentic comes any more. */
export interface FailingSource {
  readonly tenantId: string;
  readonly sourceId: string;
  readonly failingSinceMs: number;
  /** 0 = never. */
  readonly lastAuthenticMs: number;
  readonly refused: number;
  readonly lastCause: string;
}

const CAUSE = /^[a-z_]{1,30}\.[a-z_]{1,30}$/;
const TIME_MS_MAX = 4_102_444_800_000; // 2100
const NOTHING: readonly string[] = ['tenant.not_found', 'source.not_found'];

/** Has the owner of a source that fails told. */
export class TellFailingSource {
  constructor(
    private readonly db: Pick<Database, 'transaction'>,
    private readonly tenants: Pick<TenantStore, 'lock'>,
    private readonly sources: Pick<SourceStore, 'get'>,
    private readonly notify: Pick<NotifyTenant, 'run'>,
    private readonly clock: Clock,
  ) {}

  /**
   * Once on each channel for as long as it fails, which the time of its last authentic request names; of a source that
   * takes what is not authentic, or nothing, nobody is told.
   * @returns whether somebody is to be told by this call. @throws AppError `request.invalid`
   */
  async run(report: FailingSource): Promise<boolean> {
    check(report);
    try {
      return await this.db.transaction(async (tx) => {
        // Locked, so that a tenant that is being deleted leaves nothing to tell behind.
        const { tenantId } = await this.tenants.lock(tx, report.tenantId);
        const source = await this.sources.get(tx, tenantId, uuidOfId('src', report.sourceId));
        if (source.status !== 'active' || source.settings['verification'] === 'monitor') return false;
        const notification = {
          kind: 'source.failing',
          ...{ subjectId: source.sourceId, episode: String(report.lastAuthenticMs) },
          data: {
            ...{ sourceId: report.sourceId, name: source.name, provider: source.provider },
            ...findingOf(report),
          },
        } as const;
        return (await this.notify.run(tx, tenantId, notification, this.clock.nowMs())).length > 0;
      });
    } catch (error) {
      if (error instanceof AppError && NOTHING.includes(error.code)) return false;
      throw error;
    }
  }
}

const findingOf = ({ failingSinceMs, lastAuthenticMs, refused, lastCause }: FailingSource) => ({
  failingSince: new Date(failingSinceMs).toISOString(),
  ...(lastAuthenticMs === 0 ? {} : { lastAuthenticAt: new Date(lastAuthenticMs).toISOString() }),
  refused,
  cause: lastCause,
});

function check({ tenantId, sourceId, failingSinceMs, lastAuthenticMs, lastCause }: FailingSource): void {
  const isTime = (ms: number): boolean => Number.isInteger(ms) && ms > 0 && ms < TIME_MS_MAX;
  const errors = new FieldErrors();
  errors.require(uuidOfId('ten', tenantId) !== undefined, 'tenantId', 'ten_…');
  errors.require(uuidOfId('src', sourceId) !== undefined, 'sourceId', 'src_…');
  errors.require(isTime(failingSinceMs), 'failingSinceMs', 'a time in whole milliseconds');
  errors.require(
    lastAuthenticMs === 0 || isTime(lastAuthenticMs),
    'lastAuthenticMs',
    'a time in whole milliseconds, or 0',
  );
  errors.require(CAUSE.test(lastCause), 'lastCause', 'an error code');
  errors.throwIfAny();
}
