import { type Clock } from '@posthorn/clock/clock.js';
import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Actor } from '../domain/actor.js';
import { edgeWeeks, isWeekStart } from '../domain/data-key-week.js';
import { invalidField } from '../domain/field-errors.js';
import { type DataKeyInfo, type DataKeyStore } from '../persistence/data-key.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/** Of one call: its audit entry names each. */
const KEYS_MAX = 200;
/** What an earlier call destroyed is told again, in case that its answer got lost. */
const TOLD_AGAIN_MS = 30 * 86_400_000;
const TOLD_MAX = 1_000;

/** What is gone. */
export interface DestroyedDataKeys {
  /** Now, or by an earlier call; newest first. */
  readonly destroyed: readonly DataKeyInfo[];
  readonly hasMore: boolean;
}

/**
 * Destroys the data keys of weeks of which nothing is kept any more: whatever copy of the rows is left, nothing here
 * opens it again. Whether something is kept is up to the caller, who keeps it.
 */
export class DestroyDataKeys {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly keys: DataKeyStore,
    private readonly clock: Clock,
  ) {}

  /**
   * @param tenant `ten_…`. @param beforeWeek its Monday, days since 1970; at most last week's, whose keys are at the edge.
   * @throws AppError `request.invalid`, `tenant.not_found` (also when it was deleted, and all of its keys with it)
   */
  async run(
    actor: Actor,
    tenant: string,
    beforeWeek: number,
  ): Promise<DestroyedDataKeys & { readonly applied: Applied }> {
    if (!isWeekStart(beforeWeek)) throw invalidField('beforeWeekStartDay', 'must be a Monday');
    if (beforeWeek > edgeWeeks(this.clock.nowMs())[0]!)
      throw invalidField('beforeWeekStartDay', 'the keys of last week may still be in use');
    // A slug may name another tenant tomorrow.
    if (uuidOfId('ten', tenant) === undefined) throw new AppError('tenant.not_found');
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tx, nowMs } = change;
      const { tenantId } = change.tenant;
      const gone = await this.keys.destroyBefore(tx, tenantId, beforeWeek, KEYS_MAX, nowMs);
      if (gone.length > 0) {
        change.touch('tenant', tenantId);
        change.audit('data_keys.destroyed', idOfUuid('ten', tenantId), {
          after: { beforeWeekStartDay: beforeWeek, keys: gone.map(({ keyId }) => idOfUuid('dek', keyId)) },
        });
      }
      const sinceMs = nowMs - TOLD_AGAIN_MS;
      const destroyed = await this.keys.destroyedSince(tx, tenantId, sinceMs, TOLD_MAX);
      return { destroyed, hasMore: gone.length === KEYS_MAX };
    });
    return { ...value, applied };
  }
}
