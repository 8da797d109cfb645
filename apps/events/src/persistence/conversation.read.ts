import type { Tx } from '@posthorn/postgres/database.js';
import { withConsent, type ConversationState } from '../domain/conversation-state.js';
import type { Handoff } from '../domain/handoff.js';
import type { TimeSpan } from '../domain/page.js';
import { HANDOFF_COLUMNS, handoffOf, type HandoffRow } from './handoff.store.js';
import { tagsSql } from './rule-tags.js';

/** One conversation as the API shows it. IDs are UUID texts; times Unix milliseconds, 0 = none. */
export interface ConversationView {
  readonly conversationId: string;
  readonly state: ConversationState;
  readonly stateChangedAtMs: number;
  readonly channel: string;
  readonly personHash: Buffer | undefined;
  readonly campaign: string;
  readonly lastMessageAtMs: number;
  readonly lastInboundAtMs: number;
  readonly inboundCount: number;
  readonly outboundCount: number;
  readonly isOptedOut: boolean;
  readonly createdAtMs: number;
  readonly tags: string[];
}

/** Empty = any. */
export interface ConversationFilter extends TimeSpan {
  readonly state: string;
  readonly channel: string;
  readonly campaign: string;
  readonly personHash: Buffer;
}

/** Where a page ended. The time as the database writes it, so that it compares equal. */
export interface Place {
  readonly at: string;
  readonly id: string;
}

/** A page, and the place after which the next one begins; undefined when there is none. */
export interface PlacedPage<T> {
  readonly items: T[];
  readonly next: Place | undefined;
}

interface Row {
  conversation_id: string;
  state: ConversationState;
  state_changed: number;
  channel: string;
  person_hash: Buffer | null;
  campaign: string;
  last_message: number | null;
  last_inbound: number | null;
  inbound_count: number;
  outbound_count: number;
  is_opted_out: boolean;
  created: number;
  created_text: string;
  tags: string[];
}

/** See EventRead: a page never looks at more rows. */
const SCAN_MAX = 5_000;

const ms = (column: string): string => `date_part('epoch', c.${column}) * 1000`;
const COLUMNS = `c.conversation_id, c.state, ${ms('state_changed_at')} AS state_changed, c.channel, c.person_hash,
  c.campaign, ${ms('last_message_at')} AS last_message, ${ms('last_inbound_at')} AS last_inbound, c.inbound_count,
  c.outbound_count, ${ms('created_at')} AS created, c.created_at::text AS created_text,
  p.opted_out_at IS NOT NULL AND (p.opted_in_at IS NULL OR p.opted_in_at <= p.opted_out_at) AS is_opted_out,
  ${tagsSql('conversation', 'c', 'conversation_id')}`;
const CONSENT = `LEFT JOIN events.person_consent p ON p.tenant_id = c.tenant_id AND p.person_hash = c.person_hash`;

const GET = {
  name: 'conversation_get',
  text: `SELECT ${COLUMNS} FROM events.conversation c ${CONSENT}
         WHERE c.tenant_id = $1 AND c.conversation_id = $2`,
};
const BOUNDED = `tenant_id = $1 AND ($2::timestamptz IS NULL OR (created_at, conversation_id) < ($2, $3::uuid))
  AND ($4::float8 = 0 OR created_at >= to_timestamp($4 / 1000))
  AND ($5::float8 = 0 OR created_at < to_timestamp($5 / 1000))
  AND ($6::bytea IS NULL OR person_hash = $6)`;
const SCAN_END = {
  name: 'conversation_scan_end',
  text: `SELECT created_at::text AS at, conversation_id AS id FROM events.conversation WHERE ${BOUNDED}
         ORDER BY created_at DESC, conversation_id DESC OFFSET ${SCAN_MAX - 1} LIMIT 1`,
};
const LIST = {
  name: 'conversation_list',
  text: `SELECT l.* FROM (
           SELECT ${COLUMNS} FROM (
             SELECT * FROM events.conversation WHERE ${BOUNDED}
             ORDER BY created_at DESC, conversation_id DESC LIMIT ${SCAN_MAX}
           ) c ${CONSENT}
         ) l
         WHERE ($7::text = '' OR l.channel = $7) AND ($8::text = '' OR l.campaign = $8)
           AND ($9::text = '' OR $9 = CASE WHEN l.is_opted_out AND l.state IN ('open', 'replied')
             THEN 'opted_out' ELSE l.state END)
         ORDER BY l.created DESC, l.conversation_id DESC LIMIT $10::int`,
};
const QUEUE = {
  name: 'handoff_queue',
  text: `SELECT ${HANDOFF_COLUMNS}, h.requested_at::text AS requested_text FROM events.handoff h
         WHERE h.tenant_id = $1 AND h.state = 'escalated' AND ($4::text = '' OR h.queue = $4)
           AND ($2::timestamptz IS NULL OR (h.requested_at, h.handoff_id) > ($2, $3::uuid))
         ORDER BY h.requested_at, h.handoff_id LIMIT $5::int`,
};
const HANDOFF = {
  name: 'handoff_get',
  text: `SELECT ${HANDOFF_COLUMNS} FROM events.handoff h
         WHERE h.tenant_id = $1 AND ($2::uuid IS NULL OR h.handoff_id = $2)
           AND ($3::uuid IS NULL OR h.conversation_id = $3)
         ORDER BY h.requested_at DESC LIMIT 1`,
};
const OPEN = {
  name: 'handoff_open_of',
  text: `SELECT ${HANDOFF_COLUMNS} FROM events.handoff h
         WHERE h.tenant_id = $1 AND h.conversation_id = $2 AND h.state IN ('escalated', 'claimed')`,
};

/** Reads conversations and hand-offs of one tenant; every transaction must have that tenant set. */
export class ConversationRead {
  async get(tx: Tx, tenantId: string, conversationId: string): Promise<ConversationView | undefined> {
    const { rows } = await tx.query<Row>(GET, [tenantId, conversationId]);
    return rows[0] && viewOf(rows[0]);
  }

  /** Those that began last come first. A page that filters may be shorter than asked for, or empty, and go on. */
  async list(
    tx: Tx,
    tenantId: string,
    { fromMs, toMs, personHash, channel, campaign, state }: ConversationFilter,
    after: Place | undefined,
    limit: number,
  ): Promise<PlacedPage<ConversationView>> {
    const bounds = [
      ...[tenantId, after?.at ?? null, after?.id ?? null, fromMs, toMs],
      personHash.length === 0 ? null : personHash,
    ];
    const { rows } = await tx.query<Row>(LIST, [...bounds, channel, campaign, state, limit + 1]);
    const items = rows.slice(0, limit).map(viewOf);
    const last = rows[limit - 1];
    if (rows.length > limit && last !== undefined)
      return { items, next: { at: last.created_text, id: last.conversation_id } };
    if ([channel, campaign, state].every((text) => text === '')) return { items, next: undefined };
    const { rows: ends } = await tx.query<Place>(SCAN_END, bounds);
    return { items, next: ends[0] };
  }

  /** What waits for a person, oldest first. */
  async queue(
    tx: Tx,
    tenantId: string,
    queue: string,
    after: Place | undefined,
    limit: number,
  ): Promise<PlacedPage<Handoff>> {
    const { rows } = await tx.query<HandoffRow & { requested_text: string }>(QUEUE, [
      ...[tenantId, after?.at ?? null, after?.id ?? null, queue, limit + 1],
    ]);
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return {
      items: items.map(handoffOf),
      next:
        rows.length > limit && last !== undefined
          ? { at: last.requested_text, id: last.handoff_id }
          : undefined,
    };
  }

  /** By its own ID, or the latest of a conversation. */
  async handoff(
    tx: Tx,
    tenantId: string,
    of: { readonly handoffId?: string; readonly conversationId?: string },
  ): Promise<Handoff | undefined> {
    const { rows } = await tx.query<HandoffRow>(HANDOFF, [
      ...[tenantId, of.handoffId ?? null, of.conversationId ?? null],
    ]);
    return rows[0] && handoffOf(rows[0]);
  }

  async openHandoff(tx: Tx, tenantId: string, conversationId: string): Promise<Handoff | undefined> {
    const { rows } = await tx.query<HandoffRow>(OPEN, [tenantId, conversationId]);
    return rows[0] && handoffOf(rows[0]);
  }
}

const viewOf = (row: Row): ConversationView => ({
  conversationId: row.conversation_id,
  state: withConsent(row.state, row.is_opted_out),
  stateChangedAtMs: row.state_changed,
  channel: row.channel,
  personHash: row.person_hash ?? undefined,
  campaign: row.campaign,
  lastMessageAtMs: row.last_message ?? 0,
  lastInboundAtMs: row.last_inbound ?? 0,
  inboundCount: row.inbound_count,
  outboundCount: row.outbound_count,
  isOptedOut: row.is_opted_out,
  createdAtMs: row.created,
  tags: row.tags,
});
