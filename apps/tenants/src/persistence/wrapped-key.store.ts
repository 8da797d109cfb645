import { type Tx } from '@posthorn/postgres/database.js';
import { PLATFORM_ID } from '../domain/actor.js';
import { type WrappedKey } from './key.store.js';

/** Every table that keeps keys under the key-encryption key. */
export const WRAPPED_TABLES = [
  'hash_key',
  'person_key',
  'record_key',
  'secret_key',
  'data_key',
  'data_key_renewal',
  'audit_key',
] as const;
export type WrappedTable = (typeof WRAPPED_TABLES)[number];

/** A wrapped key and whose it is: the platform's ID for its own. */
export interface OwnedKey extends WrappedKey {
  readonly tenantId: string;
}

/** The version of the key-encryption key stands in front of what it wrapped: one byte of format, then its ID. */
const KEK_ID = 'substring(wrapped FROM 2 FOR 16)';
const statementsOf = (table: WrappedTable) => {
  const isPlatforms = table === 'audit_key';
  return {
    lockForeign: {
      name: `${table}_lock_foreign`,
      text: `SELECT ${isPlatforms ? `'${PLATFORM_ID}'::uuid` : 'tenant_id'} AS "tenantId", key_id AS "keyId", wrapped
        FROM tenants.${table} WHERE ${KEK_ID} <> $1 LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`,
    },
    countForeign: {
      name: `${table}_count_foreign`,
      text: `SELECT count(*)::int AS count FROM tenants.${table} WHERE ${KEK_ID} <> $1`,
    },
    rewrap: {
      name: `${table}_rewrap`,
      text: `UPDATE tenants.${table} SET wrapped = $2 WHERE key_id = $1${isPlatforms ? '' : ' AND tenant_id = $3'}`,
    },
  };
};
const STATEMENTS = new Map(WRAPPED_TABLES.map((table) => [table, statementsOf(table)]));

const LOCK_ROTATION = `SELECT pg_advisory_xact_lock(hashtext('tenants.key_rotation'))`;

/** Keys by the version of the key-encryption key that wraps them. */
export class WrappedKeyStore {
  /** From here on no other process rotates until the transaction ends. */
  async lockRotation(tx: Tx): Promise<void> {
    await tx.query(LOCK_ROTATION);
  }

  /** Some that another version wraps, held until the transaction ends; those held by others are left out. */
  async lockForeign(tx: Tx, table: WrappedTable, currentId: Buffer, limit: number): Promise<OwnedKey[]> {
    return (await tx.query<OwnedKey>(STATEMENTS.get(table)!.lockForeign, [currentId, limit])).rows;
  }

  async countForeign(tx: Pick<Tx, 'query'>, table: WrappedTable, currentId: Buffer): Promise<number> {
    const { rows } = await tx.query<{ count: number }>(STATEMENTS.get(table)!.countForeign, [currentId]);
    return rows[0]!.count;
  }

  async rewrap(tx: Tx, table: WrappedTable, { tenantId, keyId, wrapped }: OwnedKey): Promise<void> {
    const owner = table === 'audit_key' ? [] : [tenantId];
    await tx.query(STATEMENTS.get(table)!.rewrap, [keyId, wrapped, ...owner]);
  }
}
