import { type Tx } from '@posthorn/postgres/database.js';
import { type WrappedKey } from './key.store.js';
import { timeOf } from './time.sql.js';

/** A key under which compliance keeps the hashes of a tenant's persons. */
export interface WrappedPersonKey extends WrappedKey {
  readonly tenantId: string;
  /** From 1. */
  readonly generation: number;
  /** Everything is kept under it. */
  readonly isSettled: boolean;
}

const COLUMNS = `tenant_id AS "tenantId", generation, key_id AS "keyId", wrapped,
  settled_at IS NOT NULL AS "isSettled"`;
const OF_TENANTS = {
  name: 'person_keys_of',
  text: `SELECT ${COLUMNS} FROM tenants.person_key WHERE tenant_id = ANY ($1::uuid[])
    ORDER BY tenant_id, generation`,
};
const INSERT = {
  name: 'person_key_insert',
  text: `INSERT INTO tenants.person_key (tenant_id, generation, key_id, wrapped, created_at)
    VALUES ($1, $2, $3, $4, ${timeOf('$5')})`,
};
const SETTLE = {
  name: 'person_key_settle',
  text: `UPDATE tenants.person_key SET settled_at = COALESCE(settled_at, ${timeOf('$3')})
    WHERE tenant_id = $1 AND generation = $2`,
};
const DESTROY = {
  name: 'person_key_destroy_former',
  text: `DELETE FROM tenants.person_key WHERE tenant_id = $1 AND generation < $2 RETURNING key_id AS "keyId"`,
};

/** Keys of persons' hashes; nothing here can unwrap one. */
export class PersonKeyStore {
  /** Oldest first. */
  async of(tx: Pick<Tx, 'query'>, tenantIds: readonly string[]): Promise<WrappedPersonKey[]> {
    return (await tx.query<WrappedPersonKey>(OF_TENANTS, [tenantIds])).rows;
  }

  async insert(tx: Tx, key: Omit<WrappedPersonKey, 'isSettled'>, nowMs: number): Promise<void> {
    const { tenantId, generation, keyId, wrapped } = key;
    await tx.query(INSERT, [tenantId, generation, keyId, wrapped, nowMs]);
  }

  /** Notes that everything is kept under a generation. @returns false when there is no such one. */
  async settle(tx: Tx, tenantId: string, generation: number, nowMs: number): Promise<boolean> {
    return (await tx.query(SETTLE, [tenantId, generation, nowMs])).rowCount === 1;
  }

  /** Destroys the generations before one. @returns their IDs. */
  async destroyFormer(tx: Tx, tenantId: string, generation: number): Promise<string[]> {
    const { rows } = await tx.query<{ keyId: string }>(DESTROY, [tenantId, generation]);
    return rows.map(({ keyId }) => keyId);
  }
}
