import { type Tx } from '@posthorn/postgres/database.js';
import { type Actor } from '../domain/actor.js';
import { type ChainHead } from '../domain/audit-chain.js';
import { type ChainedEntry } from '../domain/audit-entry.js';
import { msOf, timeOf } from './time.sql.js';

/** What of a log is asked for; absent = any. */
export interface AuditFilter {
  readonly actorId?: string;
  /** `source.created`, or `source.*`. */
  readonly action?: string;
  readonly target?: string;
  readonly fromMs?: number;
  /** Exclusive. */
  readonly toMs?: number;
}

const COLUMNS = `number, hash, audit_id AS "auditId", ${msOf('at')} AS "atMs", actor_id AS "actorId",
  actor_kind AS "actorKind", remote_address AS "remoteAddress", action, target, detail_json AS "detailJson", origin`;
const LIST = {
  name: 'audit_list',
  text: `SELECT ${COLUMNS} FROM tenants.audit WHERE tenant_id = $1 AND ($2::bigint IS NULL OR number < $2)
      AND ($4::text IS NULL OR actor_id = $4)
      AND ($5::text IS NULL OR action = $5) AND ($6::text IS NULL OR starts_with(action, $6))
      AND ($7::text IS NULL OR target = $7)
      AND ($8::float8 IS NULL OR at >= ${timeOf('$8')}) AND ($9::float8 IS NULL OR at < ${timeOf('$9')})
    ORDER BY number DESC LIMIT $3`,
};
const PAGE = {
  name: 'audit_page',
  text: `SELECT ${COLUMNS} FROM tenants.audit WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3`,
};
const HEAD = {
  name: 'audit_head',
  text: `SELECT number, hash FROM tenants.audit_counter WHERE tenant_id = $1`,
};
const AT = {
  name: 'audit_at',
  text: `SELECT number, hash FROM tenants.audit WHERE tenant_id = $1 AND number = $2`,
};
const ALL_ACTIONS = '.*';

type Row = Omit<ChainedEntry, 'number' | 'actor'> & {
  readonly number: string;
  readonly actorId: string;
  readonly actorKind: Actor['kind'];
  readonly remoteAddress: string;
};

/** Reads the audit log, one tenant at a time. */
export class AuditRead {
  /** Newest first. @param before number of the last entry of the page before. */
  async list(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    { actorId, action, target, fromMs, toMs }: AuditFilter,
    before: string | undefined,
    limit: number,
  ): Promise<ChainedEntry[]> {
    const isPrefix = action?.endsWith(ALL_ACTIONS) === true;
    const { rows } = await tx.query<Row>(LIST, [
      ...[tenantId, before ?? null, limit, actorId ?? null],
      ...(isPrefix ? [null, action.slice(0, -1)] : [action ?? null, null]),
      ...[target ?? null, fromMs ?? null, toMs ?? null],
    ]);
    return rows.map(entryOf);
  }

  /** Oldest first. */
  async page(tx: Pick<Tx, 'query'>, tenantId: string, after: bigint, limit: number): Promise<ChainedEntry[]> {
    const { rows } = await tx.query<Row>(PAGE, [tenantId, String(after), limit]);
    return rows.map(entryOf);
  }

  /** Where the log should end; undefined when nothing was ever noted. */
  head(tx: Pick<Tx, 'query'>, tenantId: string): Promise<ChainHead | undefined> {
    return placeOf(tx, HEAD, [tenantId]);
  }

  /** The place of one entry. */
  at(tx: Pick<Tx, 'query'>, tenantId: string, number: bigint): Promise<ChainHead | undefined> {
    return placeOf(tx, AT, [tenantId, String(number)]);
  }
}

async function placeOf(
  tx: Pick<Tx, 'query'>,
  statement: typeof HEAD,
  values: readonly unknown[],
): Promise<ChainHead | undefined> {
  const { rows } = await tx.query<{ number: string; hash: Buffer }>(statement, values);
  return rows[0] === undefined ? undefined : { number: BigInt(rows[0].number), hash: rows[0].hash };
}

const entryOf = ({ number, actorId, actorKind, remoteAddress, ...rest }: Row): ChainedEntry => ({
  ...rest,
  number: BigInt(number),
  actor: { id: actorId, kind: actorKind, remoteAddress },
});
