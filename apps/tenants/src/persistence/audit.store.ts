import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import { type Tx } from '@posthorn/postgres/database.js';
import { type Actor } from '../domain/actor.js';
import { type AuditEntry } from '../domain/audit-entry.js';
import { timeOf } from './time.sql.js';

const NEXT_NUMBER = {
  name: 'audit_next_number',
  text: `INSERT INTO tenants.audit_counter (tenant_id, number) VALUES ($1, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET number = audit_counter.number + 1 RETURNING number`,
};
const INSERT = {
  name: 'audit_insert',
  text: `INSERT INTO tenants.audit (tenant_id, number, audit_id, at, actor_id, actor_kind, remote_address,
      action, target, detail_json)
    VALUES ($1, $2, $3, ${timeOf('$4')}, $5, $6, $7, $8, $9, $10)`,
};
/** Also holds the tenant's log until the transaction ends. */
const LOCK = {
  name: 'audit_lock',
  text: `INSERT INTO tenants.audit_counter (tenant_id, number) VALUES ($1, 0)
    ON CONFLICT (tenant_id) DO UPDATE SET number = audit_counter.number RETURNING number`,
};
const KNOWN_ORIGINS = {
  name: 'audit_known_origins',
  text: `SELECT origin FROM tenants.audit WHERE tenant_id = $1 AND origin <> '' AND origin = ANY ($2::text[])`,
};
const SET_NUMBER = {
  name: 'audit_set_number',
  text: `UPDATE tenants.audit_counter SET number = $2 WHERE tenant_id = $1`,
};

/** Entries of one tenant in one statement. */
export const AUDIT_BATCH_MAX = 512;
const BATCH = new BatchInsert<AuditEntry & { readonly tenantId: string; readonly number: bigint }>({
  name: 'audit_batch',
  into: 'tenants.audit',
  columns: [
    { name: 'tenant_id', type: 'uuid' },
    { name: 'number', type: 'bigint' },
    { name: 'audit_id', type: 'uuid' },
    { name: 'at', type: 'timestamptz' },
    { name: 'actor_id', type: 'text' },
    { name: 'actor_kind', type: 'text' },
    { name: 'remote_address', type: 'text' },
    { name: 'action', type: 'text' },
    { name: 'target', type: 'text' },
    { name: 'detail_json', type: 'text' },
    { name: 'origin', type: 'text' },
  ],
  rowsMax: AUDIT_BATCH_MAX,
});

/** The audit log: only ever added to, in the transaction of the act itself. Postgres chains what is added. */
export class AuditStore {
  async insert(tx: Tx, tenantId: string, entry: Omit<AuditEntry, 'origin'>): Promise<void> {
    const { rows } = await tx.query<{ number: string }>(NEXT_NUMBER, [tenantId]);
    const { auditId, atMs, actor, action, target, detailJson } = entry;
    await tx.query(INSERT, [
      ...[tenantId, rows[0]!.number, auditId, atMs, actor.id, actor.kind, actor.remoteAddress],
      ...[action, target, detailJson],
    ]);
  }

  /**
   * Adds entries of another service in their order; those whose origin is known change nothing.
   * Several tenants in one transaction come in the order of their IDs, so that two of them cannot deadlock.
   * @returns how many were added.
   */
  async append(tx: Tx, tenantId: string, entries: readonly AuditEntry[]): Promise<number> {
    const locked = await tx.query<{ number: string }>(LOCK, [tenantId]);
    // In a later statement than the lock, so that what another call committed meanwhile is seen.
    const { rows } = await tx.query<{ origin: string }>(KNOWN_ORIGINS, [
      tenantId,
      entries.map(({ origin }) => origin),
    ]);
    const known = new Set(rows.map(({ origin }) => origin));
    const unknown = entries.filter(({ origin }) => !known.has(origin));
    if (unknown.length === 0) return 0;
    const last = BigInt(locked.rows[0]!.number);
    const numbered = unknown.map((entry, index) => ({
      ...entry,
      tenantId,
      number: last + BigInt(index) + 1n,
    }));
    await Promise.all([
      BATCH.run(tx, numbered, valuesOf),
      tx.query(SET_NUMBER, [tenantId, String(numbered.at(-1)!.number)]),
    ]);
    return numbered.length;
  }
}

const valuesOf = (entry: AuditEntry & { readonly tenantId: string; readonly number: bigint }) => {
  const { tenantId, number, auditId, atMs, action, target, detailJson, origin } = entry;
  const { id, kind, remoteAddress }: Actor = entry.actor;
  return [
    tenantId,
    String(number),
    auditId,
    atMs,
    id,
    kind,
    remoteAddress,
    action,
    target,
    detailJson,
    origin,
  ];
};
