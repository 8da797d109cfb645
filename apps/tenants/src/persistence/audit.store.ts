import { type Tx } from '@posthorn/postgres/database.js';
import { type Actor } from '../domain/actor.js';
import { msOf, timeOf } from './time.sql.js';

/** One act: who, what, when, from where, before and after. */
export interface AuditEntry {
  readonly auditId: string;
  readonly atMs: number;
  readonly actor: Actor;
  readonly action: string;
  /** The public ID of what was changed. */
  readonly target: string;
  /** JSON, without secrets. */
  readonly detailJson: string;
}

/** Dense per tenant: a missing number is a removed entry. */
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
const LIST = {
  name: 'audit_list',
  text: `SELECT number, audit_id AS "auditId", ${msOf('at')} AS "atMs", actor_id AS "actorId",
      actor_kind AS "actorKind", remote_address AS "remoteAddress", action, target, detail_json AS "detailJson"
    FROM tenants.audit WHERE tenant_id = $1 AND ($2::bigint IS NULL OR number < $2) ORDER BY number DESC LIMIT $3`,
};

interface Row {
  readonly number: string;
  readonly auditId: string;
  readonly atMs: number;
  readonly actorId: string;
  readonly actorKind: Actor['kind'];
  readonly remoteAddress: string;
  readonly action: string;
  readonly target: string;
  readonly detailJson: string;
}

/** The audit log: only ever added to, in the transaction of the act itself. */
export class AuditStore {
  async insert(tx: Tx, tenantId: string, entry: AuditEntry): Promise<void> {
    const { rows } = await tx.query<{ number: string }>(NEXT_NUMBER, [tenantId]);
    const { auditId, atMs, actor, action, target, detailJson } = entry;
    await tx.query(INSERT, [
      ...[tenantId, rows[0]!.number, auditId, atMs, actor.id, actor.kind, actor.remoteAddress],
      ...[action, target, detailJson],
    ]);
  }

  /** Newest first. @param before number of the last entry of the page before. */
  async list(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    before: string | undefined,
    limit: number,
  ): Promise<(AuditEntry & { readonly number: string })[]> {
    const { rows } = await tx.query<Row>(LIST, [tenantId, before ?? null, limit]);
    return rows.map(({ actorId, actorKind, remoteAddress, ...rest }) => ({
      ...rest,
      actor: { id: actorId, kind: actorKind, remoteAddress },
    }));
  }
}
