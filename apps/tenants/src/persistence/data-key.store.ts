import { type Tx } from '@posthorn/postgres/database.js';
import { DATA_KEYS_SQL } from './data-keys.sql.js';
import { type WrappedDataKey } from './key.store.js';
import { timeOf } from './time.sql.js';

/** A data key without the key. */
export type DataKeyInfo = Pick<WrappedDataKey, 'keyId' | 'weekStartDay' | 'generation'>;

const INFO = `key_id AS "keyId", week_start_day AS "weekStartDay", generation`;
const NEWEST = {
  name: 'data_key_newest',
  text: `SELECT DISTINCT ON (week_start_day) ${INFO} FROM ${DATA_KEYS_SQL} k
    WHERE tenant_id = $1 AND week_start_day >= $2 ORDER BY week_start_day, generation DESC`,
};
const RENEW = {
  name: 'data_key_renew',
  text: `INSERT INTO tenants.data_key_renewal (tenant_id, week_start_day, generation, key_id, wrapped, created_at)
    VALUES ($1, $2, $3, $4, $5, ${timeOf('$6')})`,
};
const destroyFrom = (table: string): string =>
  `DELETE FROM tenants.${table} WHERE tenant_id = $1 AND key_id = ANY (ARRAY(SELECT key_id FROM gone))`;
const DESTROY = {
  name: 'data_key_destroy_weeks',
  text: `WITH gone AS MATERIALIZED (
      SELECT key_id, week_start_day, generation FROM ${DATA_KEYS_SQL} k
      WHERE tenant_id = $1 AND week_start_day < $2 ORDER BY week_start_day, generation LIMIT $3),
    first_generation AS (${destroyFrom('data_key')}),
    renewals AS (${destroyFrom('data_key_renewal')})
    INSERT INTO tenants.destroyed_data_key (tenant_id, key_id, week_start_day, generation, destroyed_at)
    SELECT $1, key_id, week_start_day, generation, ${timeOf('$4')} FROM gone RETURNING ${INFO}`,
};
const DESTROYED = {
  name: 'data_key_destroyed',
  text: `SELECT ${INFO} FROM tenants.destroyed_data_key
    WHERE tenant_id = $1 AND destroyed_at > ${timeOf('$2')} ORDER BY destroyed_at DESC, key_id DESC LIMIT $3`,
};

/** Generations and the end of data keys. The tenant must be locked by whoever changes any. */
export class DataKeyStore {
  /** The key that seals, of that week and each later one that has any. */
  async newest(tx: Tx, tenantId: string, fromWeek: number): Promise<DataKeyInfo[]> {
    return (await tx.query<DataKeyInfo>(NEWEST, [tenantId, fromWeek])).rows;
  }

  async renew(tx: Tx, key: WrappedDataKey, nowMs: number): Promise<void> {
    const { tenantId, weekStartDay, generation, keyId, wrapped } = key;
    await tx.query(RENEW, [tenantId, weekStartDay, generation, keyId, wrapped, nowMs]);
  }

  /** Destroys the keys of the weeks before one, oldest first. @returns those that went, at most `limit`. */
  async destroyBefore(
    tx: Tx,
    tenantId: string,
    week: number,
    limit: number,
    nowMs: number,
  ): Promise<DataKeyInfo[]> {
    return (await tx.query<DataKeyInfo>(DESTROY, [tenantId, week, limit, nowMs])).rows;
  }

  /** What was destroyed since then, newest first. */
  async destroyedSince(tx: Tx, tenantId: string, sinceMs: number, limit: number): Promise<DataKeyInfo[]> {
    return (await tx.query<DataKeyInfo>(DESTROYED, [tenantId, sinceMs, limit])).rows;
  }
}
