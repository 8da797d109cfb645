import { idOfUuid } from '@posthorn/clock/id.js';
import { type Tx } from '@posthorn/postgres/database.js';
import { type ApiKey, type Principal } from '../domain/scope.js';
import { msOf, timeOf } from './time.sql.js';

const COLUMNS = `api_key_id AS "apiKeyId", name, scopes, ${msOf('expires_at')} AS "expiresAtMs",
  ${msOf('created_at')} AS "createdAtMs", ${msOf('last_used_at')} AS "lastUsedAtMs"`;
/** How old the last use must be before it is noted again. */
const LAST_USED_STEP = `interval '1 minute'`;

const INSERT = {
  name: 'api_key_insert',
  text: `INSERT INTO tenants.api_key (tenant_id, api_key_id, name, token_hash, scopes, expires_at, created_at)
    VALUES ($1, $2, $3, $4, $5::text[], ${timeOf('$6')}, ${timeOf('$7')}) RETURNING ${COLUMNS}`,
};
const COUNT = {
  name: 'api_key_count',
  text: `SELECT count(*)::int AS count FROM tenants.api_key WHERE tenant_id = $1`,
};
const DELETE = {
  name: 'api_key_delete',
  text: `DELETE FROM tenants.api_key WHERE tenant_id = $1 AND api_key_id = $2 RETURNING ${COLUMNS}`,
};
const DELETE_ALL = { name: 'api_key_delete_all', text: `DELETE FROM tenants.api_key WHERE tenant_id = $1` };
const LIST = {
  name: 'api_key_list',
  text: `SELECT ${COLUMNS} FROM tenants.api_key
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR api_key_id < $2) ORDER BY api_key_id DESC LIMIT $3`,
};
const isStale = `(last_used_at IS NULL OR last_used_at < ${timeOf('$2')} - ${LAST_USED_STEP})`;
const AUTHENTICATE = {
  name: 'principal_by_hash',
  text: `SELECT 'tenant' AS kind, k.api_key_id AS "keyUuid", k.scopes, t.tenant_id AS "tenantId", t.slug, t.status,
      ${isStale} AS "isStale"
    FROM tenants.api_key k JOIN tenants.tenant t USING (tenant_id)
    WHERE k.token_hash = $1 AND t.status <> 'deleted' AND (k.expires_at IS NULL OR k.expires_at > ${timeOf('$2')})
    UNION ALL
    SELECT 'operator', operator_key_id, scopes, NULL, NULL, NULL, ${isStale}
    FROM tenants.operator_key
    WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${timeOf('$2')})`,
};
/** In one order, so that two batches cannot deadlock. */
const touch = (table: string) => ({
  name: `${table}_touch`,
  text: `WITH used AS (SELECT token_hash, used_at FROM unnest($1::bytea[], $2::float8[]) AS u(token_hash, used_at)),
      held AS (SELECT token_hash FROM tenants.${table} WHERE token_hash = ANY ($1::bytea[])
        ORDER BY token_hash FOR NO KEY UPDATE)
    UPDATE tenants.${table} k SET last_used_at = greatest(k.last_used_at, ${timeOf('used.used_at')})
    FROM held JOIN used USING (token_hash) WHERE k.token_hash = held.token_hash`,
});
const TOUCH = { tenant: touch('api_key'), operator: touch('operator_key') };

/** A use of a key, by the hash of its token. */
export interface KeyUse {
  readonly kind: Principal['kind'];
  readonly tokenHash: Buffer;
  readonly atMs: number;
}

interface PrincipalRow {
  readonly kind: 'operator' | 'tenant';
  readonly keyUuid: string;
  readonly scopes: string[];
  readonly tenantId: string | null;
  readonly slug: string | null;
  readonly status: 'active' | 'suspended' | null;
  readonly isStale: boolean;
}

/** API keys; of a token only its hash. */
export class ApiKeyStore {
  async insert(
    tx: Tx,
    tenantId: string,
    key: Pick<ApiKey, 'apiKeyId' | 'name' | 'scopes' | 'expiresAtMs'>,
    tokenHash: Buffer,
    nowMs: number,
  ): Promise<ApiKey> {
    const { rows } = await tx.query<ApiKey>(INSERT, [
      ...[tenantId, key.apiKeyId, key.name, tokenHash, key.scopes, key.expiresAtMs, nowMs],
    ]);
    return rows[0]!;
  }

  async count(tx: Tx, tenantId: string): Promise<number> {
    const { rows } = await tx.query<{ count: number }>(COUNT, [tenantId]);
    return rows[0]!.count;
  }

  /** @returns what was deleted. */
  async delete(tx: Tx, tenantId: string, apiKeyId: string): Promise<ApiKey | undefined> {
    const { rows } = await tx.query<ApiKey>(DELETE, [tenantId, apiKeyId]);
    return rows[0];
  }

  async deleteAll(tx: Tx, tenantId: string): Promise<void> {
    await tx.query(DELETE_ALL, [tenantId]);
  }

  /** Newest first, for the reader role. */
  async list(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    before: string | undefined,
    limit: number,
  ): Promise<ApiKey[]> {
    const { rows } = await tx.query<ApiKey>(LIST, [tenantId, before ?? null, limit]);
    return rows;
  }

  /**
   * Whose token has that hash, unless it expired; a tenant's key or an operator's.
   * Why by equality in the index: of a SHA-256 over 256 random bits, timing gives nothing away.
   */
  async principal(
    tx: Pick<Tx, 'query'>,
    tokenHash: Buffer,
    nowMs: number,
  ): Promise<{ principal: Principal; isStale: boolean } | undefined> {
    const { rows } = await tx.query<PrincipalRow>(AUTHENTICATE, [tokenHash, nowMs]);
    const [row] = rows;
    if (row === undefined) return undefined;
    const { kind, keyUuid, scopes, tenantId, slug, status, isStale } = row;
    const tenant =
      tenantId === null || slug === null || status === null ? undefined : { tenantId, slug, status };
    return { principal: { keyId: idOfUuid('key', keyUuid), kind, scopes, tenant }, isStale };
  }

  /** Notes when keys of one kind were used. */
  async touch(tx: Pick<Tx, 'query'>, kind: Principal['kind'], uses: readonly KeyUse[]): Promise<void> {
    await tx.query(TOUCH[kind], [uses.map(({ tokenHash }) => tokenHash), uses.map(({ atMs }) => atMs)]);
  }
}
