import { type Clock } from '@posthorn/clock/clock.js';
import { uuidOfId } from '@posthorn/clock/id.js';
import { type Database } from '@posthorn/postgres/database.js';
import { invalidField } from '../domain/field-errors.js';
import { type SecretStore, type SecretUse } from '../persistence/secret.store.js';

export const SECRET_USES_MAX = 1_000;

/** Notes when secrets of sources last matched a request: it tells when a former one may go. */
export class ReportSecretUse {
  constructor(
    private readonly db: Database,
    private readonly secrets: SecretStore,
    private readonly clock: Clock,
  ) {}

  /** @param uses IDs in their public form; what is not known is left out. @throws AppError `request.invalid` */
  async run(
    uses: readonly { readonly tenantId: string; readonly secretId: string; readonly matchedAtMs: number }[],
  ): Promise<void> {
    if (uses.length > SECRET_USES_MAX) throw invalidField('uses', `at most ${SECRET_USES_MAX} at once`);
    const nowMs = this.clock.nowMs();
    const latest = new Map<string, SecretUse>();
    for (const { tenantId, secretId, matchedAtMs } of uses) {
      const [tenant, secret] = [uuidOfId('ten', tenantId), uuidOfId('sec', secretId)];
      if (tenant === undefined || secret === undefined || !Number.isFinite(matchedAtMs)) continue;
      // A clock that is ahead must not keep later uses from being noted.
      const atMs = Math.min(matchedAtMs, nowMs);
      const known = latest.get(secret);
      if (known === undefined || known.atMs < atMs)
        latest.set(secret, { tenantId: tenant, secretId: secret, atMs });
    }
    if (latest.size > 0) await this.secrets.noteUse(this.db, [...latest.values()]);
  }
}
