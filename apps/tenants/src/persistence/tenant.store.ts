import { uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { isUniqueViolation, type Tx } from '@posthorn/postgres/database.js';
import { type Tenant, type TenantFields } from '../domain/tenant.js';
import { msOf, timeOf } from './time.sql.js';

/** As the domain has it. @param alias of the table, with its dot. */
export const intakeQuotaOf = (alias = ''): string =>
  `CASE WHEN ${alias}intake_rate_per_second IS NOT NULL THEN json_build_object('ratePerSecond',
    ${alias}intake_rate_per_second, 'burst', ${alias}intake_burst) END AS "intakeQuota"`;

/** The same of its policy about media. */
export const mediaOf = (alias = ''): string =>
  `CASE WHEN ${alias}media_bytes_max IS NOT NULL
    THEN json_build_object('maxBytes', ${alias}media_bytes_max) END AS media`;

const COLUMNS = `tenant_id AS "tenantId", slug, name, country, time_zone AS "timeZone", status,
  sends_paused AS "isSendingPaused", shards, ${intakeQuotaOf()}, ${mediaOf()},
  ${msOf('created_at')} AS "createdAtMs"`;

const INSERT = {
  name: 'tenant_insert',
  text: `INSERT INTO tenants.tenant (tenant_id, slug, name, country, time_zone, shards, created_at)
    VALUES ($1, $2, $3, $4, $5, $6::smallint[], ${timeOf('$7')}) RETURNING ${COLUMNS}`,
};
const find = (condition: string, lock: string): string =>
  `SELECT ${COLUMNS} FROM tenants.tenant WHERE ${condition} AND status <> 'deleted' ${lock}`;
const FIND_BY_ID = { name: 'tenant_by_id', text: find('tenant_id = $1', '') };
const FIND_BY_SLUG = { name: 'tenant_by_slug', text: find('slug = $1', '') };
const LOCK_BY_ID = { name: 'tenant_lock_by_id', text: find('tenant_id = $1', 'FOR NO KEY UPDATE') };
const LOCK_BY_SLUG = { name: 'tenant_lock_by_slug', text: find('slug = $1', 'FOR NO KEY UPDATE') };
const UPDATE = {
  name: 'tenant_update',
  text: `UPDATE tenants.tenant SET name = $2, country = $3, time_zone = $4, intake_rate_per_second = $5,
    intake_burst = $6, media_bytes_max = $7 WHERE tenant_id = $1`,
};
const SET_STOPS = {
  name: 'tenant_set_stops',
  text: `UPDATE tenants.tenant SET status = $2, sends_paused = $3 WHERE tenant_id = $1`,
};
const DELETE = {
  name: 'tenant_delete',
  text: `UPDATE tenants.tenant SET status = 'deleted', deleted_at = ${timeOf('$2')}, deletion_audit_id = $3,
      destroyed_key_ids = $4::uuid[] WHERE tenant_id = $1`,
};
const DELETION = {
  name: 'tenant_deletion',
  text: `SELECT tenant_id AS "tenantId", ${msOf('deleted_at')} AS "deletedAtMs", deletion_audit_id AS "auditId",
      destroyed_key_ids AS "destroyedKeyIds" FROM tenants.tenant WHERE tenant_id = $1 AND status = 'deleted'`,
};
const EVER_KNOWN = {
  name: 'tenant_ever_known',
  text: `SELECT tenant_id AS "tenantId" FROM tenants.tenant WHERE tenant_id = ANY ($1::uuid[])`,
};
const LIST = {
  name: 'tenant_list',
  text: `SELECT ${COLUMNS} FROM tenants.tenant WHERE status <> 'deleted' AND ($1::uuid IS NULL OR tenant_id < $1)
    ORDER BY tenant_id DESC LIMIT $2`,
};

/** What is kept of a deletion. */
export interface TenantDeletion {
  /** UUID texts. */
  readonly tenantId: string;
  readonly deletedAtMs: number;
  readonly destroyedKeyIds: readonly string[];
  /** Null for one from before it was kept. */
  readonly auditId: string | null;
}

/** Tenants. A deleted one keeps its row, so that its slug is never given to somebody else. */
export class TenantStore {
  /** @throws AppError `tenant.slug_taken` */
  async insert(
    tx: Tx,
    tenantId: string,
    fields: TenantFields,
    shards: readonly number[],
    nowMs: number,
  ): Promise<Tenant> {
    const { slug, name, country, timeZone } = fields;
    try {
      const { rows } = await tx.query<Tenant>(INSERT, [
        tenantId,
        slug,
        name,
        country,
        timeZone,
        shards,
        nowMs,
      ]);
      return rows[0]!;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new AppError('tenant.slug_taken', {
        cause: error,
        fields: [{ path: 'slug', message: 'this slug is taken' }],
      });
    }
  }

  /** @param tenant ID or slug. @throws AppError `tenant.not_found` */
  async get(tx: Pick<Tx, 'query'>, tenant: string): Promise<Tenant> {
    const tenantId = uuidOfId('ten', tenant);
    const { rows } = await tx.query<Tenant>(tenantId === undefined ? FIND_BY_SLUG : FIND_BY_ID, [
      tenantId ?? tenant,
    ]);
    return found(rows);
  }

  /** The same, held until the transaction ends: changes of one tenant come one after the other. */
  async lock(tx: Tx, tenant: string): Promise<Tenant> {
    const tenantId = uuidOfId('ten', tenant);
    const { rows } = await tx.query<Tenant>(tenantId === undefined ? LOCK_BY_SLUG : LOCK_BY_ID, [
      tenantId ?? tenant,
    ]);
    return found(rows);
  }

  async update(tx: Tx, tenant: Tenant): Promise<void> {
    const { tenantId, name, country, timeZone, intakeQuota, media } = tenant;
    const quota = [intakeQuota?.ratePerSecond ?? null, intakeQuota?.burst ?? null];
    await tx.query(UPDATE, [tenantId, name, country, timeZone, ...quota, media?.maxBytes ?? null]);
  }

  /** Stops a tenant, or lets it go on. */
  async setStops(tx: Tx, tenant: Tenant): Promise<void> {
    await tx.query(SET_STOPS, [tenant.tenantId, tenant.status, tenant.isSendingPaused]);
  }

  async delete(tx: Tx, { tenantId, deletedAtMs, auditId, destroyedKeyIds }: TenantDeletion): Promise<void> {
    await tx.query(DELETE, [tenantId, deletedAtMs, auditId, destroyedKeyIds]);
  }

  /** @param id `ten_…`. @throws AppError `tenant.not_found` for one that was not deleted. */
  async deletion(tx: Pick<Tx, 'query'>, id: string): Promise<TenantDeletion> {
    const tenantId = uuidOfId('ten', id);
    const rows = tenantId === undefined ? [] : (await tx.query<TenantDeletion>(DELETION, [tenantId])).rows;
    if (rows[0] === undefined) throw new AppError('tenant.not_found');
    return rows[0];
  }

  /** Which of these are tenants, or were before they were deleted. */
  async everKnown(tx: Pick<Tx, 'query'>, tenantIds: readonly string[]): Promise<string[]> {
    if (tenantIds.length === 0) return [];
    const { rows } = await tx.query<{ tenantId: string }>(EVER_KNOWN, [tenantIds]);
    return rows.map(({ tenantId }) => tenantId);
  }

  /** Newest first. @param before ID of the last tenant of the page before. */
  async list(tx: Pick<Tx, 'query'>, before: string | undefined, limit: number): Promise<Tenant[]> {
    const { rows } = await tx.query<Tenant>(LIST, [before ?? null, limit]);
    return rows;
  }
}

function found(rows: readonly Tenant[]): Tenant {
  const [tenant] = rows;
  if (tenant === undefined) throw new AppError('tenant.not_found');
  return tenant;
}
