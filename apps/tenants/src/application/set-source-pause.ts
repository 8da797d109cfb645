import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { invalidField } from '../domain/field-errors.js';
import { type Source } from '../domain/source.js';
import { checkReason } from '../domain/stop-reason.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type OwnerSecrets } from './owner-secrets.js';

/**
 * Stops the processing of a source, or lets it go on (I8); intake goes on storing.
 * One that is paused already is told to everybody once more, so that the answer says whether it is in force.
 */
export class SetSourcePause {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly sources: SourceStore,
    private readonly secrets: OwnerSecrets,
  ) {}

  /**
   * @param id `src_…`.
   * @throws AppError `tenant.not_found`, `source.not_found`; `request.invalid` for a disabled source, which takes nothing in
   */
  async run(
    actor: Actor,
    tenant: string,
    id: string,
    isPaused: boolean,
    reason: string,
  ): Promise<{ source: Source; applied: Applied }> {
    checkReason(reason);
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tenantId } = change.tenant;
      const before = await this.sources.get(change.tx, tenantId, uuidOfId('src', id));
      if (before.status === 'disabled')
        throw invalidField('status', 'the source is disabled: enable it first');
      const after = { ...before, status: isPaused ? ('paused' as const) : ('active' as const) };
      await this.sources.update(change.tx, tenantId, after);
      change.touch('source', after.sourceId);
      change.audit(isPaused ? 'source.paused' : 'source.resumed', idOfUuid('src', after.sourceId), {
        ...{ before: { status: before.status }, after: { status: after.status }, reason },
      });
      return { ...after, secrets: await this.secrets.list(change, after.sourceId) };
    });
    return { source: value, applied };
  }
}
