import type { Tx } from '@posthorn/postgres/database.js';
import { isUnverified, UNAUTHENTIC_NOTE, type EventAttributes } from '../domain/intake.js';
import type { ConversationChange } from '../domain/project-event.js';
import { idBounds, type TimeSpan } from '../domain/page.js';
import { decodeAttributes } from './attributes.codec.js';

/** One event as the API shows it. IDs are UUID texts; times Unix milliseconds. */
export interface EventRecord {
  readonly eventId: string;
  readonly type: string;
  readonly sourceId: string;
  readonly provider: string;
  readonly providerEventId: string;
  readonly conversationId: string | undefined;
  readonly requestId: string | undefined;
  readonly secretId: string | undefined;
  /** 0 = the provider does not say. */
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  readonly storedAtMs: number;
  readonly attributes: EventAttributes;
  readonly state: 'stored' | 'projected' | 'quarantined';
  readonly quarantine: { readonly cause: string; readonly atMs: number } | undefined;
  readonly transition: TransitionRecord | undefined;
}

/** What an event did to a message, or that it was projected. */
export interface TransitionRecord {
  readonly messageId: string | undefined;
  readonly fromState: string;
  readonly toState: string;
  readonly effect: string;
  readonly isApplied: boolean;
  readonly conversation: ConversationChange | undefined;
  readonly projectedAtMs: number;
}

/** Empty = any. IDs are UUID texts. */
export interface EventFilter extends TimeSpan {
  readonly type: string;
  readonly sourceId: string;
  readonly messageId: string;
  readonly conversationId: string;
  readonly providerEventId: string;
  readonly state: string;
  /** Undefined = any. */
  readonly isAuthentic: boolean | undefined;
}

/** A page, and the ID after which the next one begins; undefined when there is none. */
export interface Page<T> {
  readonly items: T[];
  readonly next: string | undefined;
}

interface Row {
  event_id: string;
  type: string;
  source_id: string;
  provider: string;
  provider_event_id: string;
  conversation_id: string | null;
  request_id: string | null;
  secret_id: string | null;
  occurred: number | null;
  received: number;
  stored: number;
  attributes: Buffer;
  is_projected: boolean;
  cause: string | null;
  quarantined: number | null;
  projected: number | null;
  message_id: string | null;
  from_state: string | null;
  to_state: string | null;
  effect: string | null;
  is_applied: boolean | null;
  conversation_from: string | null;
  conversation_to: string | null;
}

/**
 * Rows that one page looks at, at most. A filter that few rows pass gives short pages, whose cursor goes on: no
 * request can make the database read a tenant's whole log.
 */
const SCAN_MAX = 5_000;

const ms = (column: string): string => `date_part('epoch', ${column}) * 1000`;

/** The cursor is past what waits beside it. */
const IS_PARKED = `EXISTS (SELECT FROM events.parked p WHERE p.tenant_id = l.tenant_id AND p.event_id = l.event_id)`;

const SHOW = (rows: string): string => `
SELECT l.event_id, l.type, l.source_id, l.provider, l.provider_event_id, l.conversation_id, l.request_id,
  l.secret_id, ${ms('l.occurred_at')} AS occurred, ${ms('l.received_at')} AS received,
  ${ms('l.stored_at')} AS stored, l.attributes,
  (l.xid, l.position) <= (s.cursor_xid, s.cursor_position) AND NOT ${IS_PARKED} AS is_projected,
  q.cause, ${ms('q.quarantined_at')} AS quarantined, ${ms('t.projected_at')} AS projected,
  t.message_id, t.from_state, t.to_state, t.effect, t.is_applied, t.conversation_from, t.conversation_to
FROM (${rows}) l
JOIN events.shard s ON s.shard = l.shard
LEFT JOIN events.transition t ON t.tenant_id = l.tenant_id AND t.event_id = l.event_id
LEFT JOIN events.quarantine q ON q.tenant_id = l.tenant_id AND q.event_id = l.event_id
ORDER BY l.event_id DESC`;

const SCAN = {
  log: `SELECT * FROM events.event_log WHERE tenant_id = $1 AND event_id >= $2 AND event_id < $3
        ORDER BY event_id DESC LIMIT ${SCAN_MAX}`,
  message: `SELECT l.* FROM (
          SELECT tenant_id, event_id FROM events.transition
          WHERE tenant_id = $1 AND event_id >= $2 AND event_id < $3 AND message_id = $10
          ORDER BY event_id DESC LIMIT ${SCAN_MAX}
        ) t JOIN events.event_log l ON l.tenant_id = t.tenant_id AND l.event_id = t.event_id`,
} as const;

const IS_QUARANTINED = `EXISTS (SELECT FROM events.quarantine q
  WHERE q.tenant_id = l.tenant_id AND q.event_id = l.event_id)`;
const IS_PROJECTED = `EXISTS (SELECT FROM events.shard s
  WHERE s.shard = l.shard AND (l.xid, l.position) <= (s.cursor_xid, s.cursor_position)) AND NOT ${IS_PARKED}`;

const FILTER = `($4::text = '' OR l.type = $4) AND ($5::text = '' OR l.source_id::text = $5)
  AND ($6::text = '' OR l.conversation_id::text = $6) AND ($7::text = '' OR l.provider_event_id = $7)
  AND CASE $8::text WHEN '' THEN true WHEN 'quarantined' THEN ${IS_QUARANTINED}
    WHEN 'projected' THEN ${IS_PROJECTED} AND NOT ${IS_QUARANTINED}
    WHEN 'stored' THEN NOT (${IS_PROJECTED}) AND NOT ${IS_QUARANTINED} ELSE false END
  AND ($9::bytea IS NULL OR position($9 in l.attributes) > 0)`;
/** Has few rows read that are not asked for; who says so in some other text is told apart when it is read. */
const NOTE_BYTES = Buffer.from(UNAUTHENTIC_NOTE);

const listSql = (scan: string, limit: string): string =>
  SHOW(`SELECT l.* FROM (${scan}) l WHERE ${FILTER} ORDER BY l.event_id DESC LIMIT ${limit}`);

const LIST = { name: 'event_list', text: listSql(SCAN.log, '$10::int') };
const LIST_OF_MESSAGE = { name: 'event_list_of_message', text: listSql(SCAN.message, '$11::int') };
const GET = {
  name: 'event_get',
  text: SHOW('SELECT * FROM events.event_log WHERE tenant_id = $1 AND event_id = $2'),
};
const SCAN_END = {
  name: 'event_scan_end',
  text: `SELECT event_id FROM events.event_log WHERE tenant_id = $1 AND event_id >= $2 AND event_id < $3
         ORDER BY event_id DESC OFFSET ${SCAN_MAX - 1} LIMIT 1`,
};
const PAYLOAD = {
  name: 'event_payload',
  text: `SELECT l.request_id, r.data_key_id AS raw_key, r.body AS raw, c.data_key_id AS content_key, c.body AS content
         FROM events.event_log l
         LEFT JOIN events.raw r ON r.tenant_id = l.tenant_id AND r.request_id = l.request_id
         LEFT JOIN events.content c ON c.tenant_id = l.tenant_id AND c.event_id = l.event_id
         WHERE l.tenant_id = $1 AND l.event_id = $2`,
};

/** Something encrypted, and the key that opens it. IDs as Postgres writes UUIDs. */
export interface Sealed {
  readonly dataKeyId: string;
  readonly rowId: string;
  readonly body: Buffer;
}

/** Reads events of one tenant; every transaction must have that tenant set. */
export class EventRead {
  /** Newest first. @param after the last ID of the page before. */
  async list(
    tx: Tx,
    tenantId: string,
    filter: EventFilter,
    after: string | undefined,
    limit: number,
  ): Promise<Page<EventRecord>> {
    const { from, before } = idBounds(filter, after);
    const { type, sourceId, conversationId, providerEventId, state, messageId, isAuthentic } = filter;
    const bounds = [tenantId, from, before];
    const note = isAuthentic === false ? NOTE_BYTES : null;
    const values = [...bounds, type, sourceId, conversationId, providerEventId, state, note];
    const { rows } =
      messageId === ''
        ? await tx.query<Row>(LIST, [...values, limit + 1])
        : await tx.query<Row>(LIST_OF_MESSAGE, [...values, messageId, limit + 1]);
    const found = rows.slice(0, limit).map(eventRecord);
    const items =
      isAuthentic === undefined
        ? found
        : found.filter(({ attributes }) => isUnverified(attributes) !== isAuthentic);
    if (rows.length > limit) return { items, next: found.at(-1)!.eventId };
    const isFiltered =
      isAuthentic === false ||
      [type, sourceId, conversationId, providerEventId, state].some((text) => text !== '');
    if (!isFiltered || messageId !== '') return { items, next: undefined };
    const { rows: ends } = await tx.query<{ event_id: string }>(SCAN_END, bounds);
    return { items, next: ends[0]?.event_id };
  }

  async get(tx: Tx, tenantId: string, eventId: string): Promise<EventRecord | undefined> {
    const { rows } = await tx.query<Row>(GET, [tenantId, eventId]);
    return rows[0] && eventRecord(rows[0]);
  }

  /** @returns undefined when there is no such event; parts that it does not have are undefined. */
  async payload(
    tx: Tx,
    tenantId: string,
    eventId: string,
  ): Promise<{ raw: Sealed | undefined; content: Sealed | undefined } | undefined> {
    const { rows } = await tx.query<{
      request_id: string;
      raw_key: string;
      raw: Buffer | null;
      content_key: string;
      content: Buffer | null;
    }>(PAYLOAD, [tenantId, eventId]);
    const row = rows[0];
    if (row === undefined) return undefined;
    const { raw, content } = row;
    return {
      raw: raw === null ? undefined : { dataKeyId: row.raw_key, rowId: row.request_id, body: raw },
      content: content === null ? undefined : { dataKeyId: row.content_key, rowId: eventId, body: content },
    };
  }
}

function eventRecord(row: Row): EventRecord {
  return {
    eventId: row.event_id,
    type: row.type,
    sourceId: row.source_id,
    provider: row.provider,
    providerEventId: row.provider_event_id,
    conversationId: row.conversation_id ?? undefined,
    requestId: row.request_id ?? undefined,
    secretId: row.secret_id ?? undefined,
    occurredAtMs: row.occurred ?? 0,
    receivedAtMs: row.received,
    storedAtMs: row.stored,
    attributes: decodeAttributes(row.attributes),
    state: row.cause !== null ? 'quarantined' : row.is_projected ? 'projected' : 'stored',
    quarantine: row.cause === null ? undefined : { cause: row.cause, atMs: row.quarantined! },
    transition: row.projected === null ? undefined : transitionOf(row, row.projected),
  };
}

const transitionOf = (row: Row, projectedAtMs: number): TransitionRecord => ({
  messageId: row.message_id ?? undefined,
  fromState: row.from_state!,
  toState: row.to_state!,
  effect: row.effect!,
  isApplied: row.is_applied!,
  conversation:
    row.conversation_to === null ? undefined : { from: row.conversation_from ?? '', to: row.conversation_to },
  projectedAtMs,
});
