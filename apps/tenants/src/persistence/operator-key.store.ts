import { type Tx } from '@posthorn/postgres/database.js';
import { type OperatorKey } from '../domain/operator-key.js';
import { msOf, timeOf } from './time.sql.js';

const COLUMNS = `operator_key_id AS "operatorKeyId", name, scopes, origin, ${msOf('expires_at')} AS "expiresAtMs",
  ${msOf('created_at')} AS "createdAtMs", ${msOf('last_used_at')} AS "lastUsedAtMs"`;
const isValid = (now: string): string =>
  `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${timeOf(now)})`;
/** Two that change the keys at once, be it replicas that start, must see each other's work. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtext('tenants.operator_key'))`;
const FILE_HASHES = {
  name: 'operator_key_file_hashes',
  text: `SELECT token_hash AS "tokenHash" FROM tenants.operator_key WHERE origin = 'file'`,
};
const DELETE_FILE_KEYS = {
  name: 'operator_key_delete_file',
  text: `DELETE FROM tenants.operator_key WHERE origin = 'file'`,
};
const INSERT = {
  name: 'operator_key_insert',
  text: `INSERT INTO tenants.operator_key (operator_key_id, name, token_hash, scopes, origin, expires_at, created_at)
    VALUES ($1, $2, $3, $4::text[], $5, ${timeOf('$6')}, ${timeOf('$7')}) RETURNING ${COLUMNS}`,
};
const LIST = {
  name: 'operator_key_list',
  text: `SELECT ${COLUMNS} FROM tenants.operator_key
    WHERE ${isValid('$3')} AND ($1::uuid IS NULL OR operator_key_id < $1) ORDER BY operator_key_id DESC LIMIT $2`,
};
const VALID = {
  name: 'operator_key_valid',
  text: `SELECT ${COLUMNS} FROM tenants.operator_key WHERE ${isValid('$1')} ORDER BY operator_key_id`,
};
const REVOKE = {
  name: 'operator_key_revoke',
  text: `UPDATE tenants.operator_key SET revoked_at = ${timeOf('$2')} WHERE operator_key_id = $1`,
};
const EXPIRE = {
  name: 'operator_key_expire',
  text: `UPDATE tenants.operator_key SET expires_at = least(expires_at, ${timeOf('$2')}) WHERE operator_key_id = $1`,
};

/** Keys of those who run the platform; of a token only its hash. */
export class OperatorKeyStore {
  /** From here on nobody else changes operator keys until the transaction ends. */
  async lock(tx: Tx): Promise<void> {
    await tx.query(LOCK);
  }

  /** The hashes of keys that came from the file, those that were revoked since included. */
  async fileHashes(tx: Tx): Promise<Buffer[]> {
    const { rows } = await tx.query<{ tokenHash: Buffer }>(FILE_HASHES);
    return rows.map(({ tokenHash }) => tokenHash);
  }

  async deleteFileKeys(tx: Tx): Promise<void> {
    await tx.query(DELETE_FILE_KEYS);
  }

  async insert(
    tx: Tx,
    key: Pick<OperatorKey, 'operatorKeyId' | 'name' | 'scopes' | 'origin' | 'expiresAtMs'>,
    tokenHash: Buffer,
    nowMs: number,
  ): Promise<OperatorKey> {
    const { operatorKeyId, name, scopes, origin, expiresAtMs } = key;
    const { rows } = await tx.query<OperatorKey>(INSERT, [
      ...[operatorKeyId, name, tokenHash, scopes, origin, expiresAtMs, nowMs],
    ]);
    return rows[0]!;
  }

  /** Those valid now, newest first. @param before ID of the last key of the page before. */
  async list(
    tx: Pick<Tx, 'query'>,
    before: string | undefined,
    limit: number,
    nowMs: number,
  ): Promise<OperatorKey[]> {
    return (await tx.query<OperatorKey>(LIST, [before ?? null, limit, nowMs])).rows;
  }

  /** All that are valid; there are at most OPERATOR_KEYS_MAX. */
  async valid(tx: Tx, nowMs: number): Promise<OperatorKey[]> {
    return (await tx.query<OperatorKey>(VALID, [nowMs])).rows;
  }

  async revoke(tx: Tx, operatorKeyId: string, nowMs: number): Promise<void> {
    await tx.query(REVOKE, [operatorKeyId, nowMs]);
  }

  /** Ends a key at a moment, unless it ends earlier. */
  async expire(tx: Tx, operatorKeyId: string, atMs: number): Promise<void> {
    await tx.query(EXPIRE, [operatorKeyId, atMs]);
  }
}
