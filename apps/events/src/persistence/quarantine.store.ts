import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { int2Array, textArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';
import { idBounds, type TimeSpan } from '../domain/page.js';
import type { Transition } from '../domain/project-event.js';
import type { Page } from './event.read.js';

/** An event that could not be projected, or that a schema set aside. IDs are UUID texts. */
export interface QuarantineView {
  readonly eventId: string;
  readonly type: string;
  readonly provider: string;
  readonly sourceId: string;
  readonly cause: string;
  readonly quarantinedAtMs: number;
}

/** Empty = any. IDs are UUID texts. */
export interface QuarantineFilter extends TimeSpan {
  readonly eventIds: readonly string[];
  readonly sourceId: string;
  readonly type: string;
}

interface Row {
  event_id: string;
  type: string;
  provider: string;
  source_id: string;
  cause: string;
  quarantined: number;
}

const MATCHING = `events.quarantine q JOIN events.event_log l ON l.tenant_id = q.tenant_id AND l.event_id = q.event_id
  WHERE q.tenant_id = $1 AND q.event_id >= $2 AND q.event_id < $3
    AND (cardinality($4::uuid[]) = 0 OR q.event_id = ANY ($4)) AND ($5::text = '' OR l.source_id::text = $5)
    AND ($6::text = '' OR l.type = $6)`;

const LIST: Statement = {
  name: 'quarantine_list',
  text: `SELECT q.event_id, l.type, l.provider, l.source_id, q.cause,
           date_part('epoch', q.quarantined_at) * 1000 AS quarantined
         FROM ${MATCHING} ORDER BY q.event_id DESC LIMIT $7::int`,
};
/** Projected already, as what nobody understood: a schema set it aside, and its request is to be parsed again. */
const IS_ASIDE = `(l.type = 'event.unrecognized' AND EXISTS (SELECT FROM events.transition t
  WHERE t.tenant_id = q.tenant_id AND t.event_id = q.event_id))`;
/** Not what is parsed again now, nor what is too old for that. */
const RETRIABLE = `${MATCHING} AND (NOT ${IS_ASIDE} OR q.event_id >= $7::uuid AND NOT EXISTS (
    SELECT FROM events.reprocessing r WHERE r.tenant_id = q.tenant_id AND r.completed_at IS NULL
      AND q.event_id = ANY (r.event_ids)))`;
/** Two calls at once retry each event once: one after the other, each sees what the other did. */
const LOCK: Statement = {
  name: 'quarantine_lock',
  text: `SELECT pg_advisory_xact_lock(hashtextextended('events.quarantine:' || $1::text, 0))`,
};
const RETRY: Statement = {
  name: 'quarantine_retry',
  text: `
WITH q AS MATERIALIZED (
  SELECT q.tenant_id, q.event_id, l.source_id, l.shard, l.xid, l.position, ${IS_ASIDE} AS is_aside
  FROM ${RETRIABLE} ORDER BY q.event_id LIMIT $8::int
), gone AS (
  DELETE FROM events.quarantine d USING q
  WHERE d.tenant_id = q.tenant_id AND d.event_id = q.event_id AND NOT q.is_aside
  RETURNING d.event_id
), parked AS (
  INSERT INTO events.parked (tenant_id, event_id, source_id, shard, xid, position)
  SELECT q.tenant_id, q.event_id, q.source_id, q.shard, q.xid, q.position FROM q JOIN gone ON gone.event_id = q.event_id
  RETURNING 1
)
SELECT (SELECT count(*)::int4 FROM parked) AS parked,
  ARRAY (SELECT event_id::text FROM q WHERE is_aside ORDER BY event_id) AS aside`,
};
const HAS_MORE: Statement = {
  name: 'quarantine_has_more',
  text: `SELECT EXISTS (SELECT FROM ${RETRIABLE}) AS has_more`,
};
/** What is projected anew, as after a restore, may stand here already. */
const SET_ASIDE: Statement = {
  name: 'quarantine_set_aside',
  text: `INSERT INTO events.quarantine (tenant_id, event_id, shard, cause, quarantined_at)
         SELECT q.*, to_timestamp($5::float8 / 1000)
         FROM unnest($1::uuid[], $2::uuid[], $3::int2[], $4::text[]) AS q ON CONFLICT DO NOTHING`,
};

/** Lets events that schemas set aside be found and retried, in the transaction that projects them. */
export async function setAside(
  tx: Pick<Tx, 'query'>,
  aside: readonly Pick<Transition, 'event'>[],
  atMs: number,
): Promise<void> {
  await tx.query(SET_ASIDE, [
    uuidArray(aside.map(({ event }) => event.tenantId)),
    uuidArray(aside.map(({ event }) => event.eventId)),
    int2Array(aside.map(({ event }) => event.shard)),
    textArray(aside.map(({ event }) => event.attributes.note)),
    atMs,
  ]);
}

/** Events put aside, of one tenant; every transaction must have that tenant set. */
export class QuarantineStore {
  /** Newest first. @param after the last ID of the page before. */
  async list(
    tx: Tx,
    tenantId: string,
    filter: QuarantineFilter,
    after: string | undefined,
    limit: number,
  ): Promise<Page<QuarantineView>> {
    const { rows } = await tx.query<Row>(LIST, [...valuesOf(tenantId, filter, after), limit + 1]);
    const items = rows.slice(0, limit).map((row) => ({
      eventId: row.event_id,
      type: row.type,
      provider: row.provider,
      sourceId: row.source_id,
      cause: row.cause,
      quarantinedAtMs: row.quarantined,
    }));
    return { items, next: rows.length > limit ? items.at(-1)!.eventId : undefined };
  }

  /** From here on nobody else retries events of the tenant until the transaction ends. */
  async lock(tx: Tx, tenantId: string): Promise<void> {
    await tx.query(LOCK, [tenantId]);
  }

  /**
   * Has the oldest that match projected again, beside their lanes' cursors.
   * @param oldestAside UUID text: what schemas set aside before is left.
   * @returns how many, and those that are to be parsed again for it, oldest first.
   */
  async retry(
    tx: Tx,
    tenantId: string,
    filter: QuarantineFilter,
    oldestAside: string,
    limit: number,
  ): Promise<{ parked: number; aside: string[] }> {
    const values = [...valuesOf(tenantId, filter, undefined), oldestAside, limit];
    return (await tx.query<{ parked: number; aside: string[] }>(RETRY, values)).rows[0]!;
  }

  /** Whether a retry would find something. */
  async hasMore(tx: Tx, tenantId: string, filter: QuarantineFilter, oldestAside: string): Promise<boolean> {
    const values = [...valuesOf(tenantId, filter, undefined), oldestAside];
    return (await tx.query<{ has_more: boolean }>(HAS_MORE, values)).rows[0]!.has_more;
  }
}

function valuesOf(tenantId: string, filter: QuarantineFilter, after: string | undefined): unknown[] {
  const { from, before } = idBounds(filter, after);
  return [tenantId, from, before, filter.eventIds, filter.sourceId, filter.type];
}
