import { uuidBytes } from '@posthorn/clock/id.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import type { EventAttributes } from '../domain/intake.js';
import { firstUuidOf } from '../domain/page.js';
import {
  OPEN_REPROCESSINGS_MAX,
  type HeldReprocessing,
  type Original,
  type ReprocessingFilter,
  type ReprocessingView,
} from '../domain/reprocessing.js';
import { decodeAttributes } from './attributes.codec.js';
import type { Page } from './event.read.js';
import { uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** Log rows that one step looks through: a filter that few rows pass must not read a tenant's whole log. */
const SCAN_MAX = 5_000;
const ORIGINALS_MAX = 500;
const UUID_MAX = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const COLUMNS = `reprocessing_id, COALESCE(source_id::text, '') AS source_id, provider, kind, from_ms, to_ms,
  date_part('epoch', stored_at) * 1000 AS requested, looked_at, understood, has_more,
  date_part('epoch', completed_at) * 1000 AS completed`;
const ASK: Statement = {
  name: 'reprocessing_ask',
  text: `INSERT INTO events.reprocessing (tenant_id, reprocessing_id, source_id, provider, kind, from_ms, to_ms, cursor, before,
           event_ids)
         SELECT $1, $2, NULLIF($3::text, '')::uuid, $4, $5, $6, $7, $8, $9, $10::uuid[]
         WHERE (SELECT count(*) FROM events.reprocessing WHERE tenant_id = $1 AND completed_at IS NULL)
           < ${OPEN_REPROCESSINGS_MAX}
         RETURNING ${COLUMNS}`,
};
const LIST: Statement = {
  name: 'reprocessing_list',
  text: `SELECT ${COLUMNS} FROM events.reprocessing WHERE tenant_id = $1 AND reprocessing_id < $2
         ORDER BY reprocessing_id DESC LIMIT $3::int`,
};
const SCAN_END: Statement = {
  name: 'reprocessing_scan_end',
  text: `SELECT event_id FROM events.event_log WHERE tenant_id = $1 AND event_id > $2 AND event_id < $3
         ORDER BY event_id OFFSET ${SCAN_MAX - 1} LIMIT 1`,
};
const ORIGINAL_COLUMNS = `l.event_id, l.request_id, l.source_id, l.secret_id,
           date_part('epoch', l.received_at) * 1000 AS received, l.traceparent, l.attributes`;
const IS_LEFT = `l.type = 'event.unrecognized' AND NOT EXISTS (
             SELECT FROM events.reprocessed r WHERE r.tenant_id = l.tenant_id AND r.event_id = l.event_id)`;
const ORIGINALS: Statement = {
  name: 'reprocessing_originals',
  text: `SELECT ${ORIGINAL_COLUMNS}
         FROM events.event_log l
         WHERE l.tenant_id = $1 AND l.event_id > $2 AND l.event_id <= $3 AND l.event_id < $6
           AND ($4::text = '' OR l.source_id::text = $4) AND ($5::text = '' OR l.provider = $5) AND ${IS_LEFT}
         ORDER BY l.event_id LIMIT ${ORIGINALS_MAX}`,
};
const NAMED_ORIGINALS: Statement = {
  name: 'reprocessing_named_originals',
  text: `SELECT ${ORIGINAL_COLUMNS}
         FROM unnest($3::uuid[]) AS k (event_id)
         JOIN events.event_log l ON l.tenant_id = $1 AND l.event_id = k.event_id
         WHERE k.event_id > $2 AND ${IS_LEFT}
         ORDER BY l.event_id LIMIT ${ORIGINALS_MAX}`,
};
/** The body of the first one always, of the others while there is room. */
const BODIES: Statement = {
  name: 'reprocessing_bodies',
  text: `
SELECT w.request_id, w.data_key_id, CASE WHEN w.place = 1 OR w.bytes <= $3::int THEN r.body END AS body
FROM (
  SELECT k.ordinal, r.request_id, r.data_key_id, sum(octet_length(r.body)) OVER p AS bytes, row_number() OVER p AS place
  FROM unnest($2::uuid[]) WITH ORDINALITY AS k (request_id, ordinal)
  JOIN events.raw r ON r.tenant_id = $1 AND r.request_id = k.request_id
  WINDOW p AS (ORDER BY k.ordinal)
) w
JOIN events.raw r ON r.tenant_id = $1 AND r.request_id = w.request_id`,
};

interface Row {
  reprocessing_id: string;
  source_id: string;
  provider: string;
  kind: string;
  from_ms: number;
  to_ms: number;
  requested: number;
  looked_at: string;
  understood: string;
  has_more: boolean;
  completed: number | null;
}
interface OriginalRow {
  event_id: string;
  request_id: string | null;
  source_id: string;
  secret_id: string | null;
  received: number;
  traceparent: string;
  attributes: Buffer;
}

/** Events of a part of the log. */
export interface OriginalsPage {
  readonly originals: readonly Original[];
  /** Up to where the log was looked through; undefined: to the end. */
  readonly through: string | undefined;
}

/** A sealed request. `body` is undefined where there was no room for it. */
export interface SealedRequest {
  readonly dataKeyId: Buffer;
  readonly body: Buffer | undefined;
}

/** What a tenant asks of events that were not understood; every transaction must have that tenant set. */
export class ReprocessingRead {
  /** @param eventIds UUID texts: of these alone. @returns undefined when as many are open as may be. */
  async ask(
    tx: Tx,
    tenantId: string,
    reprocessingId: string,
    filter: ReprocessingFilter,
    bounds: { readonly fromMs: number; readonly beforeMs: number },
    eventIds?: readonly string[],
  ): Promise<ReprocessingView | undefined> {
    const { sourceId, provider, kind, fromMs, toMs } = filter;
    const { rows } = await tx.query<Row>(ASK, [
      ...[tenantId, reprocessingId, sourceId, provider, kind, fromMs, toMs],
      ...[firstUuidOf(bounds.fromMs), firstUuidOf(bounds.beforeMs), eventIds ?? null],
    ]);
    return rows[0] && viewOf(rows[0]);
  }

  /** Newest first. @param after the last ID of the page before. */
  async list(
    tx: Tx,
    tenantId: string,
    after: string | undefined,
    limit: number,
  ): Promise<Page<ReprocessingView>> {
    const { rows } = await tx.query<Row>(LIST, [tenantId, after ?? UUID_MAX, limit + 1]);
    const items = rows.slice(0, limit).map(viewOf);
    return { items, next: rows.length > limit ? items.at(-1)!.reprocessingId : undefined };
  }

  /** What comes next of a reprocessing and is not understood yet, oldest first. */
  async next(
    tx: Tx,
    { tenantId, filter, before, eventIds }: HeldReprocessing,
    cursor: string,
  ): Promise<OriginalsPage> {
    if (eventIds !== undefined) {
      const { rows } = await tx.query<OriginalRow>(NAMED_ORIGINALS, [tenantId, cursor, eventIds]);
      const through = rows.length === ORIGINALS_MAX ? rows.at(-1)!.event_id : undefined;
      return { originals: rows.map(originalOf), through };
    }
    const end = (await tx.query<{ event_id: string }>(SCAN_END, [tenantId, cursor, before])).rows[0]
      ?.event_id;
    const values = [tenantId, cursor, end ?? before, filter.sourceId, filter.provider, before];
    const { rows } = await tx.query<OriginalRow>(ORIGINALS, values);
    const through = rows.length === ORIGINALS_MAX ? rows.at(-1)!.event_id : end;
    const originals = rows.map(originalOf).filter(({ kind }) => filter.kind === '' || kind === filter.kind);
    return { originals, through };
  }

  /** @returns those that are kept, by their ID. */
  async bodies(
    tx: Tx,
    tenantId: string,
    requestIds: readonly string[],
    bytesMax: number,
  ): Promise<ReadonlyMap<string, SealedRequest>> {
    const { rows } = await tx.query<{ request_id: string; data_key_id: string; body: Buffer | null }>(
      BODIES,
      [...[tenantId, uuidArray(requestIds.map(uuidBytes)), bytesMax]],
    );
    return new Map(
      rows.map(({ request_id, data_key_id, body }) => [
        request_id,
        { dataKeyId: uuidBytes(data_key_id), body: body ?? undefined },
      ]),
    );
  }
}

const viewOf = (row: Row): ReprocessingView => ({
  reprocessingId: row.reprocessing_id,
  filter: {
    ...{ sourceId: row.source_id, provider: row.provider, kind: row.kind },
    ...{ fromMs: row.from_ms, toMs: row.to_ms },
  },
  requestedAtMs: row.requested,
  lookedAt: Number(row.looked_at),
  understood: Number(row.understood),
  hasMore: row.has_more,
  completedAtMs: row.completed ?? 0,
});

function originalOf(row: OriginalRow): Original {
  const { providerType, note } = readAttributes(row.attributes);
  return {
    eventId: row.event_id,
    requestId: row.request_id ?? undefined,
    sourceId: row.source_id,
    secretId: row.secret_id ?? undefined,
    receivedAtMs: row.received,
    traceparent: row.traceparent,
    kind: providerType,
    note,
  };
}

/** One unreadable row must not stop what comes behind it. */
function readAttributes(bytes: Buffer): Pick<EventAttributes, 'providerType' | 'note'> {
  try {
    return decodeAttributes(bytes);
  } catch {
    return { providerType: '', note: '' };
  }
}
