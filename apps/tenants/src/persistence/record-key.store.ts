import { type Tx } from '@posthorn/postgres/database.js';
import { type WrappedKey } from './key.store.js';
import { timeOf } from './time.sql.js';

const INSERT = {
  name: 'record_key_insert',
  text: `INSERT INTO tenants.record_key (tenant_id, key_id, wrapped, created_at)
    VALUES ($1, $2, $3, ${timeOf('$4')}) ON CONFLICT (tenant_id) DO NOTHING`,
};
/** Tenants that somebody changes right now are left for the next round. */
const TENANTS_WITHOUT = {
  name: 'record_key_missing',
  text: `SELECT tenant_id AS "tenantId" FROM tenants.tenant t
    WHERE status <> 'deleted' AND NOT EXISTS (SELECT FROM tenants.record_key k WHERE k.tenant_id = t.tenant_id)
    ORDER BY tenant_id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`,
};
/** A watcher that vanished is there until it is forgotten: it may be back. */
const HAS_OLDER = {
  name: 'record_key_has_older',
  text: `SELECT EXISTS (SELECT FROM tenants.watcher
    WHERE service = 'compliance' AND NOT kinds @> ARRAY['record_keys']) AS "hasOlder"`,
};

const DESTROY_LEFT = {
  name: 'record_key_destroy_left',
  text: `DELETE FROM tenants.record_key k USING tenants.tenant t
    WHERE t.tenant_id = k.tenant_id AND t.status = 'deleted'`,
};

/** Keys of consent records, one a tenant; nothing here can unwrap one. */
export class RecordKeyStore {
  /** @returns false when the tenant has one. */
  async insert(tx: Tx, tenantId: string, { keyId, wrapped }: WrappedKey, nowMs: number): Promise<boolean> {
    return (await tx.query(INSERT, [tenantId, keyId, wrapped, nowMs])).rowCount === 1;
  }

  /** Some that have none, whose rows stay locked. */
  async missing(tx: Tx, limit: number): Promise<string[]> {
    const { rows } = await tx.query<{ tenantId: string }>(TENANTS_WITHOUT, [limit]);
    return rows.map(({ tenantId }) => tenantId);
  }

  /** Destroys those of tenants that a version deleted which knows of no such keys. */
  async destroyLeft(tx: Pick<Tx, 'query'>): Promise<void> {
    await tx.query(DESTROY_LEFT);
  }

  /** Whether a compliance may be running that opens nothing which such a key seals. */
  async hasOlderReader(tx: Pick<Tx, 'query'>): Promise<boolean> {
    return (await tx.query<{ hasOlder: boolean }>(HAS_OLDER)).rows[0]!.hasOlder;
  }
}
