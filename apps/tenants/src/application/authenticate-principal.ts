import { type Clock } from '@posthorn/clock/clock.js';
import { hashToken } from '@posthorn/crypto/token.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type Principal } from '../domain/scope.js';
import { type ApiKeyStore } from '../persistence/api-key.store.js';

const TOKEN_LENGTH_MAX = 512;

/** Tells whose token it is. */
export class AuthenticatePrincipal {
  constructor(
    private readonly db: Database,
    private readonly apiKeys: ApiKeyStore,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** @returns undefined for a token that is unknown, expired, or of a deleted tenant. */
  async run(token: string): Promise<Principal | undefined> {
    if (token === '' || token.length > TOKEN_LENGTH_MAX) return undefined;
    const hash = hashToken(token);
    const found = await this.apiKeys.principal(this.db, hash, this.clock.nowMs());
    // Not waited for: when a key was last used is good to know, and no reason to let a request wait or fail.
    if (found?.isStale === true)
      void this.apiKeys
        .touch(this.db, found.principal.kind, hash, this.clock.nowMs())
        .catch((err: unknown) => this.log.warn({ err }, 'the use of a key was not noted'));
    return found?.principal;
  }
}
