import { AppError } from '@posthorn/errors/app-error.js';
import type { Tx } from './database.js';
import { tenantTableSql, type TenantPolicyOptions } from './tenant-policy.js';

/** Who acts, as the API knows them. */
export interface AuditActor {
  /** `key_…`, or `service:<name>`. */
  readonly id: string;
  /** operator | tenant | service */
  readonly kind: string;
  /** Empty: not known. */
  readonly remoteAddress: string;
}

/** One act of somebody, for the tenant's audit log. No secrets, no personal data: IDs and keyed hashes only. */
export interface AuditAct {
  /** UUID text. */
  readonly tenantId: string;
  readonly actor: AuditActor;
  /** A noun and what was done to it, as in `rule.created`. */
  readonly action: string;
  /** The public ID of what was changed. */
  readonly target: string;
  /** Before and after, or what else is to be known; a small JSON object. */
  readonly detail: object;
}

/** An act in its place among those of its service. */
export interface NumberedAct extends Omit<AuditAct, 'detail'> {
  readonly number: bigint;
  /** Unix milliseconds. */
  readonly atMs: number;
  readonly detailJson: string;
}

const KINDS: readonly string[] = ['operator', 'tenant', 'service'];
const TEXT_LENGTH_MAX = 100;
const DETAIL_LENGTH_MAX = 16_384;

/**
 * Who asks.
 * @param principal as a request has it; absent from those of services, and of an API that is older than the field.
 * @param actorId who is named beside it; empty: nobody.
 * @throws AppError `request.invalid` for one that the audit log would not take.
 */
export function auditActor(principal: AuditActor | undefined, actorId: string): AuditActor {
  if (principal === undefined)
    return { id: actorId === '' ? 'service:api' : actorId, kind: 'service', remoteAddress: '' };
  const { id, kind, remoteAddress } = principal;
  const isShort = id.length <= TEXT_LENGTH_MAX && remoteAddress.length <= TEXT_LENGTH_MAX;
  if (id === '' || !isShort || !KINDS.includes(kind))
    throw new AppError('request.invalid', { fields: [{ path: 'principal', message: 'names nobody' }] });
  return { id, kind, remoteAddress };
}

/**
 * Statements that make `<schema>.audit_outgoing` and its counters.
 * @param roles workers relay what is there; readers only add acts of the transaction's tenant.
 */
export const auditOutgoingSql = (schema: string, roles: TenantPolicyOptions): string[] => {
  const [table, counter] = [`${schema}.audit_outgoing`, `${schema}.audit_outgoing_counter`];
  const all = [...roles.workers, ...roles.readers].join(', ');
  return [
    // Numbered without gaps: the counter's row is locked until the commit. Rows go once the audit log has them.
    `CREATE TABLE ${table} (
       number bigint PRIMARY KEY,
       tenant_id uuid NOT NULL,
       actor_id text NOT NULL,
       actor_kind text NOT NULL,
       remote_address text NOT NULL,
       action text NOT NULL,
       target text NOT NULL,
       detail_json text NOT NULL,
       occurred_at timestamptz NOT NULL DEFAULT clock_timestamp()
     )`,
    `CREATE INDEX audit_outgoing_tenant ON ${table} (tenant_id, number)`,
    `CREATE TABLE ${counter} (
       name text PRIMARY KEY CHECK (name IN ('numbered', 'relayed')),
       value bigint NOT NULL
     ) WITH (fillfactor = 50)`,
    `INSERT INTO ${counter} (name, value) VALUES ('numbered', 0), ('relayed', 0)`,
    ...tenantTableSql(table, roles),
    `GRANT INSERT ON ${table} TO ${all}`,
    `GRANT SELECT, UPDATE ON ${counter} TO ${all}`,
    `GRANT SELECT, DELETE ON ${table} TO ${roles.workers.join(', ')}`,
  ];
};

/** What a service has done for somebody, on its way into the audit log: numbered, and committed with the act itself. */
export class AuditOutgoing {
  constructor(private readonly schema: string) {}

  /**
   * Numbers and adds acts. The last statements of their transaction: from here to the commit nobody else can number any.
   */
  async add(tx: Tx, acts: readonly AuditAct[]): Promise<void> {
    if (acts.length === 0) return;
    const details = acts.map(({ detail }) => JSON.stringify(detail));
    if (details.some((text) => text.length > DETAIL_LENGTH_MAX))
      throw new Error('the detail of an act is too large for the audit log');
    const { rows } = await tx.query<{ value: string }>(
      {
        name: `${this.schema}_number_audit`,
        text: `UPDATE ${this.schema}.audit_outgoing_counter SET value = value + $1 WHERE name = 'numbered'
               RETURNING value`,
      },
      [acts.length],
    );
    const first = BigInt(rows[0]!.value) - BigInt(acts.length) + 1n;
    await tx.query(
      {
        name: `${this.schema}_insert_audit`,
        text: `INSERT INTO ${this.schema}.audit_outgoing
                 (number, tenant_id, actor_id, actor_kind, remote_address, action, target, detail_json)
               SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                 $7::text[], $8::text[])`,
      },
      [
        acts.map((_, index) => String(first + BigInt(index))),
        acts.map(({ tenantId }) => tenantId),
        acts.map(({ actor }) => actor.id),
        acts.map(({ actor }) => actor.kind),
        acts.map(({ actor }) => actor.remoteAddress),
        acts.map(({ action }) => action),
        acts.map(({ target }) => target),
        details,
      ],
    );
  }

  /** Numbers given and numbers relayed. */
  async counters(db: Pick<Tx, 'query'>): Promise<{ numbered: bigint; relayed: bigint }> {
    const counter = `${this.schema}.audit_outgoing_counter`;
    const { rows } = await db.query<{ numbered: string; relayed: string }>({
      name: `${this.schema}_audit_counters`,
      text: `SELECT (SELECT value FROM ${counter} WHERE name = 'numbered') AS numbered,
                    (SELECT value FROM ${counter} WHERE name = 'relayed') AS relayed`,
    });
    return { numbered: BigInt(rows[0]!.numbered), relayed: BigInt(rows[0]!.relayed) };
  }

  /** The acts after a number, in order. */
  async page(db: Pick<Tx, 'query'>, after: bigint, limit: number): Promise<NumberedAct[]> {
    const { rows } = await db.query<Row>(
      {
        name: `${this.schema}_audit_page`,
        text: `SELECT number, tenant_id, actor_id, actor_kind, remote_address, action, target, detail_json, occurred_at
               FROM ${this.schema}.audit_outgoing WHERE number > $1 ORDER BY number LIMIT $2`,
      },
      [String(after), limit],
    );
    return rows.map((row) => ({
      number: BigInt(row.number),
      tenantId: row.tenant_id,
      actor: { id: row.actor_id, kind: row.actor_kind, remoteAddress: row.remote_address },
      action: row.action,
      target: row.target,
      detailJson: row.detail_json,
      atMs: row.occurred_at.getTime(),
    }));
  }

  /** Everything up to that number is in the audit log, and goes from here. Never goes back. */
  async relayed(db: Pick<Tx, 'query'>, through: bigint): Promise<void> {
    await db.query(
      {
        name: `${this.schema}_audit_relayed`,
        text: `WITH gone AS (DELETE FROM ${this.schema}.audit_outgoing WHERE number <= $1)
               UPDATE ${this.schema}.audit_outgoing_counter SET value = $1 WHERE name = 'relayed' AND value < $1`,
      },
      [String(through)],
    );
  }
}

interface Row {
  readonly number: string;
  readonly tenant_id: string;
  readonly actor_id: string;
  readonly actor_kind: string;
  readonly remote_address: string;
  readonly action: string;
  readonly target: string;
  readonly detail_json: string;
  readonly occurred_at: Date;
}
