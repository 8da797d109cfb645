import { formatId, idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { generateToken, hashToken } from '@posthorn/crypto/token.js';
import { type Actor } from '../domain/actor.js';
import { edgeWeeks } from '../domain/data-key-week.js';
import { type ApiKey, API_KEY_PREFIX, TENANT_SCOPES } from '../domain/scope.js';
import { checkTenant, chooseShards, type Tenant, type TenantFields } from '../domain/tenant.js';
import { type ApiKeyStore } from '../persistence/api-key.store.js';
import { type KeyStore } from '../persistence/key.store.js';
import { type RecordKeyStore } from '../persistence/record-key.store.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type SecretVault } from './secret-vault.js';

/** Makes a tenant with its keys and a first API key that has every scope. */
export class CreateTenant {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly tenants: TenantStore,
    private readonly keys: KeyStore,
    private readonly recordKeys: RecordKeyStore,
    private readonly apiKeys: ApiKeyStore,
    private readonly vault: SecretVault,
  ) {}

  /** @throws AppError `request.invalid`, `tenant.slug_taken` */
  async run(
    actor: Actor,
    fields: TenantFields,
  ): Promise<{ tenant: Tenant; apiKey: ApiKey; token: string; applied: Applied }> {
    checkTenant(fields);
    const token = generateToken(API_KEY_PREFIX);
    const { value, applied } = await this.changes.runWith(
      actor,
      (tx, nowMs) => this.tenants.insert(tx, uuidText(newUuid(nowMs)), fields, chooseShards(), nowMs),
      async (change) => {
        const { tx, tenant, nowMs } = change;
        const { tenantId } = tenant;
        for (const purpose of ['hash', 'secret'] as const)
          await this.keys.insert(tx, purpose, tenantId, this.vault.newKey(tenantId, nowMs), nowMs);
        // While an older compliance runs the key is made later, with those of all tenants.
        if (!(await this.recordKeys.hasOlderReader(tx)))
          await this.recordKeys.insert(tx, tenantId, this.vault.newKey(tenantId, nowMs), nowMs);
        for (const weekStartDay of edgeWeeks(nowMs)) {
          const key = { ...this.vault.newKey(tenantId, nowMs), tenantId, weekStartDay };
          await this.keys.insertDataKey(tx, key, nowMs);
        }
        const apiKeyId = newUuid(nowMs);
        const first = { name: 'first key', scopes: TENANT_SCOPES, expiresAtMs: null };
        const apiKey = await this.apiKeys.insert(
          tx,
          tenantId,
          { ...first, apiKeyId: uuidText(apiKeyId) },
          hashToken(token),
          nowMs,
        );
        const id = idOfUuid('ten', tenantId);
        const { slug, name, country, timeZone } = tenant;
        change.audit('tenant.created', id, {
          after: { slug, name, country, timeZone, apiKey: formatId('key', apiKeyId) },
        });
        change.touch('tenant', tenantId);
        return { tenant, apiKey, token };
      },
    );
    return { ...value, applied };
  }
}
