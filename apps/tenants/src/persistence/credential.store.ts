import { type Tx } from '@posthorn/postgres/database.js';
import { timeOf } from './time.sql.js';

const SET = {
  name: 'credential_set',
  text: `INSERT INTO tenants.source_credential (tenant_id, source_id, sealed, set_at)
    VALUES ($1, $2, $3, ${timeOf('$4')})
    ON CONFLICT (tenant_id, source_id) DO UPDATE SET sealed = excluded.sealed, set_at = excluded.set_at`,
};
const DELETE = {
  name: 'credential_delete',
  text: `DELETE FROM tenants.source_credential WHERE tenant_id = $1 AND source_id = $2`,
};
const DELETE_OF_TENANT = {
  name: 'credential_delete_of_tenant',
  text: `DELETE FROM tenants.source_credential WHERE tenant_id = $1`,
};

/** Sealed credentials of sources for the send APIs of their providers. */
export class CredentialStore {
  async set(tx: Tx, tenantId: string, sourceId: string, sealed: Buffer, nowMs: number): Promise<void> {
    await tx.query(SET, [tenantId, sourceId, sealed, nowMs]);
  }

  async delete(tx: Tx, tenantId: string, sourceId: string): Promise<void> {
    await tx.query(DELETE, [tenantId, sourceId]);
  }

  async deleteOfTenant(tx: Tx, tenantId: string): Promise<void> {
    await tx.query(DELETE_OF_TENANT, [tenantId]);
  }
}
