import { type Tx } from '@posthorn/postgres/database.js';
import { DATA_KEYS_SQL } from './data-keys.sql.js';
import { timeOf } from './time.sql.js';

/** A key of a tenant under the key-encryption key. */
export interface WrappedKey {
  /** UUID text. */
  readonly keyId: string;
  readonly wrapped: Buffer;
}

/** A data key of one week. */
export interface WrappedDataKey extends WrappedKey {
  readonly tenantId: string;
  readonly weekStartDay: number;
  /** From 0; of a week's keys the last one seals. */
  readonly generation: number;
}

/** hash: person and dedup hashes. secret: seals secrets and headers, for as long as the tenant lives. */
export type KeyPurpose = 'hash' | 'secret';

const insertOf = (purpose: KeyPurpose) => ({
  name: `${purpose}_key_insert`,
  text: `INSERT INTO tenants.${purpose}_key (tenant_id, key_id, wrapped, created_at)
    VALUES ($1, $2, $3, ${timeOf('$4')})`,
});
const INSERTS = { hash: insertOf('hash'), secret: insertOf('secret') };
const SECRET_KEY = {
  name: 'secret_key_get',
  text: `SELECT key_id AS "keyId", wrapped FROM tenants.secret_key WHERE tenant_id = $1`,
};
const INSERT_DATA_KEY = {
  name: 'data_key_insert',
  text: `INSERT INTO tenants.data_key (tenant_id, week_start_day, key_id, wrapped, created_at)
    VALUES ($1, $2, $3, $4, ${timeOf('$5')}) ON CONFLICT (tenant_id, week_start_day) DO NOTHING`,
};
const DATA_KEY = {
  name: 'data_key_get',
  text: `SELECT tenant_id AS "tenantId", key_id AS "keyId", wrapped, week_start_day AS "weekStartDay", generation
    FROM ${DATA_KEYS_SQL} k WHERE tenant_id = $1 AND key_id = $2`,
};
/** Tenants that somebody changes right now are left for the next round. */
const TENANTS_WITHOUT = {
  name: 'data_key_missing',
  text: `SELECT t.tenant_id AS "tenantId", w.day AS "weekStartDay"
    FROM (SELECT tenant_id FROM tenants.tenant t
          WHERE status <> 'deleted' AND (SELECT count(*) FROM tenants.data_key k
            WHERE k.tenant_id = t.tenant_id AND k.week_start_day = ANY ($1::int[])) < cardinality($1::int[])
          ORDER BY tenant_id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) t
    CROSS JOIN unnest($1::int[]) AS w(day)
    WHERE NOT EXISTS (SELECT FROM tenants.data_key k
      WHERE k.tenant_id = t.tenant_id AND k.week_start_day = w.day)
    ORDER BY 1, 2`,
};
const TABLES = ['hash_key', 'person_key', 'record_key', 'secret_key', 'data_key', 'data_key_renewal'];
const DESTROY = TABLES.map((table) => ({
  name: `${table}_destroy`,
  text: `DELETE FROM tenants.${table} WHERE tenant_id = $1 RETURNING key_id AS "keyId"`,
}));
const COUNT_WITHOUT = {
  name: 'data_key_count_missing',
  text: `SELECT count(*)::int AS count FROM tenants.tenant t WHERE status <> 'deleted' AND NOT EXISTS (
    SELECT FROM tenants.data_key k WHERE k.tenant_id = t.tenant_id AND k.week_start_day = $1)`,
};

/** Wrapped keys; nothing here can unwrap one. */
export class KeyStore {
  async insert(
    tx: Tx,
    purpose: KeyPurpose,
    tenantId: string,
    { keyId, wrapped }: WrappedKey,
    nowMs: number,
  ): Promise<void> {
    await tx.query(INSERTS[purpose], [tenantId, keyId, wrapped, nowMs]);
  }

  /** The key that seals a tenant's secrets; undefined when the tenant was deleted. */
  async secretKey(tx: Pick<Tx, 'query'>, tenantId: string): Promise<WrappedKey | undefined> {
    const { rows } = await tx.query<WrappedKey>(SECRET_KEY, [tenantId]);
    return rows[0];
  }

  /** The first of its week. @returns false when another process was faster. */
  async insertDataKey(tx: Tx, key: Omit<WrappedDataKey, 'generation'>, nowMs: number): Promise<boolean> {
    const { tenantId, weekStartDay, keyId, wrapped } = key;
    const { rowCount } = await tx.query(INSERT_DATA_KEY, [tenantId, weekStartDay, keyId, wrapped, nowMs]);
    return rowCount === 1;
  }

  async dataKey(tx: Pick<Tx, 'query'>, tenantId: string, keyId: string): Promise<WrappedDataKey | undefined> {
    const { rows } = await tx.query<WrappedDataKey>(DATA_KEY, [tenantId, keyId]);
    return rows[0];
  }

  /** Which weeks' keys are missing, for at most `tenantsMax` tenants, whose rows stay locked. */
  async missingDataKeys(
    tx: Tx,
    weeks: readonly number[],
    tenantsMax: number,
  ): Promise<{ tenantId: string; weekStartDay: number }[]> {
    const { rows } = await tx.query<{ tenantId: string; weekStartDay: number }>(TENANTS_WITHOUT, [
      weeks,
      tenantsMax,
    ]);
    return rows;
  }

  /** Tenants that have no key for a week. */
  async countWithout(tx: Pick<Tx, 'query'>, week: number): Promise<number> {
    const { rows } = await tx.query<{ count: number }>(COUNT_WITHOUT, [week]);
    return rows[0]!.count;
  }

  /** Destroys every key of a tenant: what they sealed can never be read again. @returns their IDs. */
  async destroy(tx: Tx, tenantId: string): Promise<string[]> {
    const keyIds: string[] = [];
    for (const statement of DESTROY) {
      const { rows } = await tx.query<{ keyId: string }>(statement, [tenantId]);
      keyIds.push(...rows.map(({ keyId }) => keyId));
    }
    return keyIds;
  }
}
