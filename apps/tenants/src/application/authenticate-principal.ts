import { type Clock } from '@posthorn/clock/clock.js';
import { hashToken } from '@posthorn/crypto/token.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type Principal, usableScopes } from '../domain/scope.js';
import { type ApiKeyStore } from '../persistence/api-key.store.js';
import { type KeyUses } from './key-uses.js';

const TOKEN_LENGTH_MAX = 512;

/** Tells whose token it is. */
export class AuthenticatePrincipal {
  constructor(
    private readonly db: Database,
    private readonly apiKeys: ApiKeyStore,
    private readonly uses: KeyUses,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns undefined for a token that is unknown, expired, revoked, or of a deleted tenant; with the scopes that
   * the key has now: those of a suspended tenant only read.
   */
  async run(token: string): Promise<Principal | undefined> {
    if (token === '' || token.length > TOKEN_LENGTH_MAX) return undefined;
    const tokenHash = hashToken(token);
    const nowMs = this.clock.nowMs();
    const found = await this.apiKeys.principal(this.db, tokenHash, nowMs);
    if (found === undefined) return undefined;
    const { principal, isStale } = found;
    if (isStale) this.uses.note({ kind: principal.kind, tokenHash, atMs: nowMs });
    return { ...principal, scopes: usableScopes(principal) };
  }
}
