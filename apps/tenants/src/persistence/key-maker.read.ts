import { uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Tx } from '@posthorn/postgres/database.js';
import { type Actor } from '../domain/actor.js';
import { msOf, timeOf } from './time.sql.js';

const EXPIRY = {
  name: 'key_maker_expiry',
  text: `SELECT ${msOf('expires_at')} AS "expiresAtMs" FROM tenants.api_key
    WHERE api_key_id = $1 AND (expires_at IS NULL OR expires_at > ${timeOf('$2')})
    UNION ALL
    SELECT ${msOf('expires_at')} FROM tenants.operator_key
    WHERE operator_key_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${timeOf('$2')})`,
};

/** What is known of the key by which somebody makes another one. */
export class KeyMakerRead {
  /**
   * When it ends; null: never, as of a service, which has none.
   * @throws AppError `principal.unauthenticated` for a key that was taken away since its caller was let in.
   */
  async expiry(tx: Tx, { id }: Actor, nowMs: number): Promise<number | null> {
    const keyId = uuidOfId('key', id);
    if (keyId === undefined) return null;
    const [row] = (await tx.query<{ expiresAtMs: number | null }>(EXPIRY, [keyId, nowMs])).rows;
    if (row === undefined) throw new AppError('principal.unauthenticated');
    return row.expiresAtMs;
  }
}
