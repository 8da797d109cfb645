import { idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { type Clock } from '@posthorn/clock/clock.js';
import { generateToken, hashToken } from '@posthorn/crypto/token.js';
import { type Actor } from '../domain/actor.js';
import { reachedLimit } from '../domain/field-errors.js';
import { expiryWithin } from '../domain/key-expiry.js';
import { type ApiKey, API_KEY_PREFIX, API_KEYS_MAX, checkApiKey } from '../domain/scope.js';
import { type ApiKeyStore } from '../persistence/api-key.store.js';
import { type KeyMakerRead } from '../persistence/key-maker.read.js';
import { type ChangeRunner } from './change-runner.js';

/** Makes an API key; its token is known to the caller alone. */
export class CreateApiKey {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly apiKeys: ApiKeyStore,
    private readonly makers: KeyMakerRead,
    private readonly clock: Clock,
  ) {}

  /**
   * @param askedAtMs when it is to end; null: with the key that makes it, if that ends.
   * @throws AppError `request.invalid`, `limit.reached`, `tenant.not_found`; `principal.forbidden` for one that would
   * outlive its maker
   */
  async run(
    actor: Actor,
    tenant: string,
    name: string,
    scopes: readonly string[],
    askedAtMs: number | null,
  ): Promise<{ apiKey: ApiKey; token: string }> {
    checkApiKey(name, scopes, askedAtMs, this.clock.nowMs());
    const token = generateToken(API_KEY_PREFIX);
    const { value } = await this.changes.run(actor, tenant, async (change) => {
      const { tx, nowMs } = change;
      const { tenantId } = change.tenant;
      if ((await this.apiKeys.count(tx, tenantId)) >= API_KEYS_MAX)
        throw reachedLimit('name', `a tenant has at most ${API_KEYS_MAX} API keys; delete one first`);
      const expiresAtMs = expiryWithin(askedAtMs, await this.makers.expiry(tx, actor, nowMs));
      const unique = [...new Set(scopes)];
      const key = { apiKeyId: uuidText(newUuid(nowMs)), name, scopes: unique, expiresAtMs };
      const apiKey = await this.apiKeys.insert(tx, tenantId, key, hashToken(token), nowMs);
      change.audit('api_key.created', idOfUuid('key', apiKey.apiKeyId), {
        after: { name, scopes: unique, expiresAtMs },
      });
      return apiKey;
    });
    return { apiKey: value, token };
  }
}
