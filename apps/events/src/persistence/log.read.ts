import type { Database, Statement } from '@posthorn/postgres/database.js';
import type { EventAttributes } from '../domain/intake.js';
import type { LaneCursor } from '../domain/project-batch.js';
import type { LoggedEvent } from '../domain/project-event.js';
import { decodeAttributes } from './attributes.codec.js';
import { int2Array, int8Array } from '@posthorn/postgres/pg-arrays.js';

/** A row of the log as LOG_COLUMNS give it. */
export interface LogRow {
  shard: number;
  xid: string;
  position: string;
  ids: Buffer;
  type: string;
  provider: string;
  person_hash: Buffer | null;
  occurred: number | null;
  received: number;
  stored: number;
  traceparent: string;
  attributes: Buffer;
}

/** Of `events.event_log e`. IDs come as one value: each one that pg parses costs half a microsecond. */
export const LOG_COLUMNS = `e.shard, e.xid::text AS xid, e.position,
    uuid_send(e.event_id) || uuid_send(e.tenant_id) || uuid_send(e.source_id) AS ids,
    e.type, e.provider, e.person_hash, date_part('epoch', e.occurred_at) * 1000 AS occurred,
    date_part('epoch', e.received_at) * 1000 AS received, date_part('epoch', e.stored_at) * 1000 AS stored,
    e.traceparent, e.attributes`;

/**
 * What is behind each cursor, in commit order.
 * Below the oldest running transaction every row is there that ever will be; sequence order alone would skip
 * the rows of whoever commits late.
 */
const READ: Statement = {
  name: 'log_read',
  text: `
SELECT l.*
FROM unnest($1::int2[], $2::int8[], $3::int8[]) AS c (shard, xid, position)
CROSS JOIN LATERAL (
  SELECT ${LOG_COLUMNS}
  FROM events.event_log e
  WHERE e.shard = c.shard
    AND (e.xid, e.position) > (c.xid::text::xid8, c.position)
    AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
  ORDER BY e.xid, e.position
  LIMIT $4::int
) l
LIMIT $5::int`,
};

/** What changes when the database was restored or failed over: numbers of another epoch mean nothing. */
export const EPOCH_SQL = `(SELECT s.system_identifier || '-' || c.timeline_id
  FROM pg_control_system() s, pg_control_checkpoint() c)`;

const CURSORS: Statement = {
  name: 'lane_cursors',
  text: `SELECT shard, cursor_xid::text AS xid, cursor_position AS position, head_sequence AS head,
           ${EPOCH_SQL} AS epoch
         FROM events.shard WHERE shard = ANY ($1::int2[])`,
};

interface CursorRow {
  shard: number;
  xid: string;
  position: string;
  head: string;
  epoch: string;
}

/** Where lanes stand, and in which life of the database. */
export interface LaneCursors {
  readonly epoch: string;
  readonly lanes: readonly LaneCursor[];
}

/** What waits behind cursors. */
export interface LogBehind {
  readonly events: number;
  /** When the oldest was stored, Unix milliseconds; undefined when nothing waits. */
  readonly oldestAtMs: number | undefined;
}

/** Also what READ may not read yet, because an older transaction still runs. */
const BEHIND: Statement = {
  name: 'log_behind',
  text: `
SELECT COALESCE(sum(n.count), 0)::int4 AS events, date_part('epoch', min(o.stored_at)) * 1000 AS oldest
FROM unnest($1::int2[], $2::int8[], $3::int8[]) AS c (shard, xid, position)
CROSS JOIN LATERAL (
  SELECT count(*) FROM (
    SELECT FROM events.event_log e
    WHERE e.shard = c.shard AND (e.xid, e.position) > (c.xid::text::xid8, c.position)
    LIMIT $4::int
  ) l
) n
LEFT JOIN LATERAL (
  SELECT e.stored_at FROM events.event_log e
  WHERE e.shard = c.shard AND (e.xid, e.position) > (c.xid::text::xid8, c.position)
  ORDER BY e.xid, e.position LIMIT 1
) o ON true`,
};

/** Reads the log lane by lane. */
export class LogRead {
  constructor(private readonly db: Pick<Database, 'query'>) {}

  /** @param lanes in the order in which they are served when more is there than `eventsMax`. */
  async next(lanes: readonly LaneCursor[], perLaneMax: number, eventsMax: number): Promise<LoggedEvent[]> {
    const { rows } = await this.db.query<LogRow>(READ, [...cursorColumns(lanes), perLaneMax, eventsMax]);
    return rows.map(loggedEvent);
  }

  /** @param shards at least one. */
  async cursors(shards: readonly number[]): Promise<LaneCursors> {
    const { rows } = await this.db.query<CursorRow>(CURSORS, [int2Array(shards)]);
    const lanes = rows.map(({ shard, xid, position, head }) => ({
      shard,
      xid: BigInt(xid),
      position: BigInt(position),
      headSequence: BigInt(head),
    }));
    return { epoch: rows[0]!.epoch, lanes };
  }

  /** What waits behind these cursors, counting at most `perLaneMax` of each lane; of no lanes, nothing. */
  async behind(lanes: readonly LaneCursor[], perLaneMax: number): Promise<LogBehind> {
    const values = [...cursorColumns(lanes), perLaneMax];
    const { rows } = await this.db.query<{ events: number; oldest: number | null }>(BEHIND, values);
    const { events, oldest } = rows[0]!;
    return { events, oldestAtMs: oldest ?? undefined };
  }
}

const cursorColumns = (lanes: readonly LaneCursor[]): Buffer[] => [
  int2Array(lanes.map(({ shard }) => shard)),
  int8Array(lanes.map(({ xid }) => xid)),
  int8Array(lanes.map(({ position }) => position)),
];

export function loggedEvent(row: LogRow): LoggedEvent {
  const attributes = readAttributes(row.attributes);
  return {
    shard: row.shard,
    xid: BigInt(row.xid),
    position: BigInt(row.position),
    eventId: row.ids.subarray(0, 16),
    tenantId: row.ids.subarray(16, 32),
    sourceId: row.ids.subarray(32, 48),
    type: row.type,
    provider: row.provider,
    personHash: row.person_hash ?? undefined,
    occurredAtMs: row.occurred ?? 0,
    receivedAtMs: row.received,
    storedAtMs: row.stored,
    traceparent: row.traceparent,
    attributes: attributes ?? NO_ATTRIBUTES,
    ...(attributes === undefined && { fault: 'the attributes cannot be read' }),
  };
}

/** One unreadable row must not stop its lane. */
function readAttributes(bytes: Buffer): EventAttributes | undefined {
  try {
    return decodeAttributes(bytes);
  } catch {
    return undefined;
  }
}

const NO_ATTRIBUTES: EventAttributes = decodeAttributes(Buffer.alloc(0));
