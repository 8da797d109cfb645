import { type Tx } from '@posthorn/postgres/database.js';
import { timeOf } from './time.sql.js';

/** Two replicas that start at once must not both install the key. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtext('tenants.operator_key'))`;
const FIND = {
  name: 'operator_key_find',
  text: `SELECT token_hash AS "tokenHash" FROM tenants.operator_key WHERE origin = 'file'`,
};
const DELETE = {
  name: 'operator_key_delete',
  text: `DELETE FROM tenants.operator_key WHERE origin = 'file'`,
};
const INSERT = {
  name: 'operator_key_insert',
  text: `INSERT INTO tenants.operator_key (operator_key_id, name, token_hash, scopes, origin, created_at)
    VALUES ($1, $2, $3, $4::text[], 'file', ${timeOf('$5')})`,
};

/** Keys of those who run the platform. */
export class OperatorKeyStore {
  /** The hash of the key that came from the file; held until the transaction ends. */
  async lockFileKey(tx: Tx): Promise<Buffer | undefined> {
    await tx.query(LOCK);
    const { rows } = await tx.query<{ tokenHash: Buffer }>(FIND);
    return rows[0]?.tokenHash;
  }

  async replaceFileKey(
    tx: Tx,
    operatorKeyId: string,
    name: string,
    tokenHash: Buffer,
    nowMs: number,
  ): Promise<void> {
    await tx.query(DELETE);
    await tx.query(INSERT, [operatorKeyId, name, tokenHash, [], nowMs]);
  }
}
