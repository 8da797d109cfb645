import { type Tx } from '@posthorn/postgres/database.js';
import { type RotationPlan, type SecretInfo, type SecretOwner } from '../domain/secret.js';
import { type ConfigChange } from './config.store.js';
import { msOf, timeOf } from './time.sql.js';

const COLUMNS = `secret_id AS "secretId", owner_id AS "ownerId", status, ${msOf('created_at')} AS "createdAtMs",
  ${msOf('expires_at')} AS "expiresAtMs", ${msOf('last_matched_at')} AS "lastMatchedAtMs"`;
/** How long a revoked secret can still be named: longer than the events that matched it are kept. */
const REVOKED_KEPT = `interval '90 days'`;

const INSERT = {
  name: 'secret_insert',
  text: `INSERT INTO tenants.secret (tenant_id, secret_id, owner, owner_id, sealed, status, created_at)
    VALUES ($1, $2, $3, $4, $5, 'current', ${timeOf('$6')}) RETURNING ${COLUMNS}`,
};
const LIST = {
  name: 'secret_list',
  text: `SELECT ${COLUMNS} FROM tenants.secret
    WHERE tenant_id = $1 AND owner_id = ANY ($2::uuid[]) AND status <> 'revoked'
      AND (expires_at IS NULL OR expires_at > ${timeOf('$3')})
    ORDER BY secret_id DESC`,
};
const VALUES = {
  name: 'secret_values',
  text: `SELECT secret_id AS "secretId", sealed FROM tenants.secret
    WHERE tenant_id = $1 AND owner_id = $2 AND status <> 'revoked'
      AND (expires_at IS NULL OR expires_at > ${timeOf('$3')})
    ORDER BY secret_id DESC`,
};
const DEMOTE = {
  name: 'secret_demote',
  text: `UPDATE tenants.secret SET status = 'previous', expires_at = ${timeOf('$3')}
    WHERE tenant_id = $1 AND secret_id = $2`,
};
const REVOKE = {
  name: 'secret_revoke',
  text: `UPDATE tenants.secret SET status = 'revoked', sealed = NULL, expires_at = ${timeOf('$3')}
    WHERE tenant_id = $1 AND secret_id = $2`,
};
/** Of a secret that is used all the time a new row version every 10 s is enough. In one order, against deadlocks. */
const NOTE_USE = {
  name: 'secret_note_use',
  text: `WITH used AS (
      SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::float8[]) AS u(tenant_id, secret_id, at_ms)),
    held AS (
      SELECT s.tenant_id, s.secret_id, ${timeOf('u.at_ms')} AS at
      FROM tenants.secret s JOIN used u USING (tenant_id, secret_id)
      WHERE s.owner = 'source' AND (s.last_matched_at IS NULL
        OR s.last_matched_at < ${timeOf('u.at_ms')} - interval '9 seconds')
      ORDER BY s.tenant_id, s.secret_id FOR NO KEY UPDATE OF s)
    UPDATE tenants.secret s SET last_matched_at = greatest(s.last_matched_at, held.at)
    FROM held WHERE s.tenant_id = held.tenant_id AND s.secret_id = held.secret_id`,
};
const DELETE_OF_OWNER = {
  name: 'secret_delete_of_owner',
  text: `DELETE FROM tenants.secret WHERE tenant_id = $1 AND owner_id = $2`,
};
const DELETE_OF_TENANT = {
  name: 'secret_delete_of_tenant',
  text: `DELETE FROM tenants.secret WHERE tenant_id = $1`,
};
const REVOKE_EXPIRED = {
  name: 'secret_revoke_expired',
  text: `UPDATE tenants.secret SET status = 'revoked', sealed = NULL WHERE (tenant_id, secret_id) IN (
    SELECT tenant_id, secret_id FROM tenants.secret WHERE status = 'previous' AND expires_at <= ${timeOf('$1')}
    LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING owner AS object, owner_id AS "objectId", tenant_id AS "tenantId"`,
};
const DELETE_REVOKED = {
  name: 'secret_delete_revoked',
  text: `DELETE FROM tenants.secret WHERE (tenant_id, secret_id) IN (
    SELECT tenant_id, secret_id FROM tenants.secret
    WHERE status = 'revoked' AND expires_at < ${timeOf('$1')} - ${REVOKED_KEPT}
    LIMIT $2 FOR UPDATE SKIP LOCKED)`,
};

/** A match of a secret. */
export interface SecretUse {
  readonly tenantId: string;
  readonly secretId: string;
  readonly atMs: number;
}

/** Secrets of sources and destinations, their owners. A revoked one has lost its value. */
export class SecretStore {
  async insert(
    tx: Tx,
    tenantId: string,
    owner: SecretOwner,
    secretId: string,
    sealed: Buffer,
    nowMs: number,
  ): Promise<SecretInfo> {
    const { rows } = await tx.query<SecretInfo>(INSERT, [
      ...[tenantId, secretId, owner.object, owner.objectId, sealed, nowMs],
    ]);
    return rows[0]!;
  }

  /** The secrets of some owners that are valid now, newest first. */
  async list(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    ownerIds: readonly string[],
    nowMs: number,
  ): Promise<Map<string, SecretInfo[]>> {
    const byOwner = new Map<string, SecretInfo[]>(ownerIds.map((ownerId) => [ownerId, []]));
    if (ownerIds.length === 0) return byOwner;
    const { rows } = await tx.query<SecretInfo & { ownerId: string }>(LIST, [tenantId, ownerIds, nowMs]);
    for (const row of rows) byOwner.get(row.ownerId)!.push(row);
    return byOwner;
  }

  /** The values of those that are valid now, sealed; newest first. */
  async values(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    ownerId: string,
    nowMs: number,
  ): Promise<readonly { readonly secretId: string; readonly sealed: Buffer }[]> {
    return (await tx.query<{ secretId: string; sealed: Buffer }>(VALUES, [tenantId, ownerId, nowMs])).rows;
  }

  /** Makes room for a new current secret. */
  async rotate(tx: Tx, tenantId: string, plan: RotationPlan, nowMs: number): Promise<void> {
    for (const { secretId, expiresAtMs } of plan.previous)
      await tx.query(DEMOTE, [tenantId, secretId, expiresAtMs]);
    for (const secretId of plan.revoked) await this.revoke(tx, tenantId, secretId, nowMs);
  }

  async revoke(tx: Tx, tenantId: string, secretId: string, nowMs: number): Promise<void> {
    await tx.query(REVOKE, [tenantId, secretId, nowMs]);
  }

  /** Notes when secrets last matched; never an earlier time than the one that is known. */
  async noteUse(tx: Pick<Tx, 'query'>, uses: readonly SecretUse[]): Promise<void> {
    await tx.query(NOTE_USE, [
      uses.map(({ tenantId }) => tenantId),
      uses.map(({ secretId }) => secretId),
      uses.map(({ atMs }) => atMs),
    ]);
  }

  async deleteOfOwner(tx: Tx, tenantId: string, ownerId: string): Promise<void> {
    await tx.query(DELETE_OF_OWNER, [tenantId, ownerId]);
  }

  async deleteOfTenant(tx: Tx, tenantId: string): Promise<void> {
    await tx.query(DELETE_OF_TENANT, [tenantId]);
  }

  /** Destroys the values of secrets whose overlap is over. @returns whose they were, at most `limit`. */
  async revokeExpired(tx: Tx, nowMs: number, limit: number): Promise<ConfigChange[]> {
    return (await tx.query<ConfigChange>(REVOKE_EXPIRED, [nowMs, limit])).rows;
  }

  /** Removes the last trace of secrets that were revoked long ago. @returns how many, at most `limit`. */
  async deleteRevoked(tx: Pick<Tx, 'query'>, nowMs: number, limit: number): Promise<number> {
    return (await tx.query(DELETE_REVOKED, [nowMs, limit])).rowCount;
  }
}
