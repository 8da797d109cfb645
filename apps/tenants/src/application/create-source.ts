import { idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { reachedLimit } from '../domain/field-errors.js';
import { checkSendSettings } from '../domain/send-settings.js';
import {
  checkSettings,
  checkSource,
  chooseSecret,
  providerOf,
  type Settings,
  type Source,
  SOURCES_MAX,
} from '../domain/source.js';
import { type SourceStore } from '../persistence/source.store.js';
import { toldSettings } from './audit-detail.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type DestinationRules } from './destination-rules.js';
import { type OwnerSecrets } from './owner-secrets.js';

/** What a new source is made of. */
export interface NewSource {
  readonly name: string;
  readonly provider: string;
  /** Empty: generated where the provider's scheme lets us. */
  readonly secret: string;
  readonly settings: Settings;
}

/** Makes a source; once it is answered without `pending`, the provider may post to it. */
export class CreateSource {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly sources: SourceStore,
    private readonly secrets: OwnerSecrets,
    private readonly rules: DestinationRules,
  ) {}

  /**
   * @returns the secret only when it was generated.
   * @throws AppError `request.invalid`, `source.unknown_provider`, `secret.invalid`, `destination.address_forbidden`,
   * `limit.reached`, `tenant.not_found`
   */
  async run(
    actor: Actor,
    tenant: string,
    { name, provider, secret: given, settings }: NewSource,
  ): Promise<{ source: Source; generatedSecret: string; applied: Applied }> {
    checkSource({ name });
    const scheme = providerOf(provider);
    checkSendSettings(settings, this.rules.allowLoopback);
    const secret = chooseSecret(scheme, given, checkSettings(scheme, settings));
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tx, nowMs } = change;
      const { tenantId } = change.tenant;
      if ((await this.sources.count(tx, tenantId)) >= SOURCES_MAX)
        throw reachedLimit('name', `a tenant has at most ${SOURCES_MAX} sources; delete one first`);
      const sourceId = uuidText(newUuid(nowMs));
      const row = await this.sources.insert(tx, tenantId, { sourceId, name, provider, settings }, nowMs);
      const owner = { object: 'source', objectId: sourceId } as const;
      const secrets = secret === undefined ? [] : [await this.secrets.add(change, owner, secret.value)];
      change.touch('source', sourceId);
      const after = { name, provider, settings: toldSettings(provider, settings) };
      change.audit('source.created', idOfUuid('src', sourceId), { after });
      return { ...row, secrets };
    });
    return { source: value, generatedSecret: secret?.isGenerated === true ? secret.value : '', applied };
  }
}
