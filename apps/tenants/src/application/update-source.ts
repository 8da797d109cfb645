import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { checkSendSettings } from '../domain/send-settings.js';
import { checkSecretsFit } from '../domain/source-secrets.js';
import {
  checkSettings,
  checkSource,
  mergeSettings,
  providerOf,
  type Settings,
  type Source,
  type SourceStatus,
} from '../domain/source.js';
import { type SourceStore } from '../persistence/source.store.js';
import { changedFields, changedSettings } from './audit-detail.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type DestinationRules } from './destination-rules.js';
import { type OwnerSecrets } from './owner-secrets.js';

/** What may change of a source; absent stays. */
export interface SourcePatch {
  readonly name?: string;
  /** Each setting replaces, null removes, absent stays. */
  readonly settings?: Settings;
  readonly status?: string;
}

/** Changes a source. */
export class UpdateSource {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly sources: SourceStore,
    private readonly secrets: OwnerSecrets,
    private readonly rules: DestinationRules,
  ) {}

  /** @param id `src_…`. @throws AppError `request.invalid`, `destination.address_forbidden`, `tenant.not_found`, `source.not_found` */
  async run(
    actor: Actor,
    tenant: string,
    id: string,
    patch: SourcePatch,
  ): Promise<{ source: Source; applied: Applied }> {
    checkSource(patch);
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tenantId } = change.tenant;
      const before = await this.sources.get(change.tx, tenantId, uuidOfId('src', id));
      const settings = mergeSettings(before.settings, patch.settings ?? {});
      if (patch.settings !== undefined) {
        checkSettings(providerOf(before.provider), settings);
        checkSendSettings(settings, this.rules.allowLoopback);
        checkSecretsFit(
          providerOf(before.provider),
          before.settings,
          settings,
          await this.secrets.values(change, before.sourceId),
        );
      }
      const { name = before.name, status = before.status } = patch;
      const after = { ...before, name, status: status as SourceStatus, settings };
      await this.sources.update(change.tx, tenantId, after);
      change.touch('source', after.sourceId);
      const fields = changedFields(before, after, ['name', 'status']);
      const told = changedSettings(before.provider, before.settings, settings);
      const detail =
        told === undefined
          ? fields
          : {
              before: { ...fields.before, settings: told.before },
              after: { ...fields.after, settings: told.after },
            };
      change.audit('source.updated', idOfUuid('src', after.sourceId), detail);
      return { ...after, secrets: await this.secrets.list(change, after.sourceId) };
    });
    return { source: value, applied };
  }
}
