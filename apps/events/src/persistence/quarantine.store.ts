import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { idBounds, type TimeSpan } from '../domain/page.js';
import type { Page } from './event.read.js';

/** An event that could not be projected. IDs are UUID texts. */
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
/** Two calls at once retry each event once: only whoever deletes it lets it wait. */
const RETRY: Statement = {
  name: 'quarantine_retry',
  text: `
WITH q AS MATERIALIZED (
  SELECT q.tenant_id, q.event_id, l.source_id, l.shard, l.xid, l.position
  FROM ${MATCHING} ORDER BY q.event_id LIMIT $7::int
), gone AS (
  DELETE FROM events.quarantine d USING q WHERE d.tenant_id = q.tenant_id AND d.event_id = q.event_id
  RETURNING d.event_id
)
INSERT INTO events.parked (tenant_id, event_id, source_id, shard, xid, position)
SELECT q.tenant_id, q.event_id, q.source_id, q.shard, q.xid, q.position FROM q JOIN gone ON gone.event_id = q.event_id`,
};

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

  /** Has the oldest that match projected again, beside their lanes' cursors. @returns how many. */
  async retry(tx: Tx, tenantId: string, filter: QuarantineFilter, limit: number): Promise<number> {
    const { rowCount } = await tx.query(RETRY, [...valuesOf(tenantId, filter, undefined), limit]);
    return rowCount;
  }
}

function valuesOf(tenantId: string, filter: QuarantineFilter, after: string | undefined): unknown[] {
  const { from, before } = idBounds(filter, after);
  return [tenantId, from, before, filter.eventIds, filter.sourceId, filter.type];
}
