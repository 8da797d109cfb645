import type { Tx } from '@posthorn/postgres/database.js';
import { idBounds, type TimeSpan } from '../domain/page.js';
import { unauthenticCauseOf } from '../domain/intake.js';
import { decodeAttributes } from './attributes.codec.js';
import type { Page } from './event.read.js';
import { tagsSql } from './rule-tags.js';

/** One message as the API shows it. IDs are UUID texts; times Unix milliseconds. */
export interface MessageView {
  readonly messageId: string;
  readonly state: string;
  readonly stateChangedAtMs: number;
  readonly channel: string;
  readonly direction: string;
  readonly providerMessageId: string;
  readonly sourceId: string;
  readonly conversationId: string | undefined;
  readonly campaign: string;
  readonly isContradicted: boolean;
  readonly replyToMessageId: string | undefined;
  readonly tags: string[];
  readonly steps: StepView[];
}

/** One event's step of a message. */
export interface StepView {
  readonly eventId: string;
  readonly fromState: string;
  readonly toState: string;
  readonly effect: string;
  /** 0 = the provider does not say. */
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  /** An error code; undefined: it is authentic. */
  readonly unauthenticCause: string | undefined;
}

/** Empty = any. */
export interface MessageFilter extends TimeSpan {
  readonly state: string;
  readonly channel: string;
  readonly campaign: string;
  readonly providerMessageId: string;
}

interface Row {
  message_id: string;
  state: string;
  changed: number;
  channel: string;
  direction: string;
  provider_message_id: string | null;
  source_id: string;
  conversation_id: string | null;
  campaign: string;
  is_contradicted: boolean;
  reply_to_message_id: string | null;
  tags: string[];
}
interface StepRow {
  message_id: string;
  event_id: string;
  from_state: string;
  to_state: string;
  effect: string;
  occurred: number | null;
  received: number;
  attributes: Buffer | null;
}

/** See EventRead: a page never looks at more rows. */
const SCAN_MAX = 5_000;
/** Of what follows the provider's ID in that of one recipient's copy: a colon, and a hash in hexadecimal digits. */
const RECIPIENT_LENGTH = 33;
const STEPS_OF_LIST_MAX = 50;
const STEPS_MAX = 500;

const COLUMNS = `m.message_id, m.state, date_part('epoch', m.state_changed_at) * 1000 AS changed, m.channel,
  m.direction, m.provider_message_id, m.source_id, m.conversation_id, m.campaign, m.is_contradicted,
  m.reply_to_message_id, ${tagsSql('message', 'm', 'message_id')}`;
const BOUNDED = 'tenant_id = $1 AND message_id >= $2 AND message_id < $3';
const FILTER = `($4::text = '' OR m.state = $4) AND ($5::text = '' OR m.channel = $5)
  AND ($6::text = '' OR m.campaign = $6)`;

const LIST = {
  name: 'message_list',
  text: `SELECT ${COLUMNS} FROM (
           SELECT * FROM events.message WHERE ${BOUNDED} AND merged_into IS NULL ORDER BY message_id DESC LIMIT ${SCAN_MAX}
         ) m WHERE ${FILTER} ORDER BY m.message_id DESC LIMIT $7::int`,
};
const LIST_BY_PROVIDER_ID = {
  name: 'message_list_by_provider_id',
  text: `SELECT ${COLUMNS} FROM events.message m
         WHERE ${BOUNDED} AND ${FILTER} AND (m.provider_message_id = $8
           OR m.provider_message_id >= $8 || ':' AND m.provider_message_id < $8 || ';'
             AND length(m.provider_message_id) = length($8) + ${RECIPIENT_LENGTH})
         ORDER BY m.message_id DESC LIMIT $7::int`,
};
const SCAN_END = {
  name: 'message_scan_end',
  text: `SELECT message_id FROM events.message WHERE ${BOUNDED} AND merged_into IS NULL
         ORDER BY message_id DESC OFFSET ${SCAN_MAX - 1} LIMIT 1`,
};
const GET = {
  name: 'message_get',
  text: `SELECT ${COLUMNS} FROM events.message m WHERE m.tenant_id = $1 AND m.message_id = COALESCE(
           (SELECT merged_into FROM events.message WHERE tenant_id = $1 AND message_id = $2), $2)`,
};
const OF_CONVERSATION = {
  name: 'message_list_of_conversation',
  text: `SELECT ${COLUMNS} FROM events.message m WHERE m.tenant_id = $1 AND m.conversation_id = $2
         ORDER BY m.message_id DESC LIMIT $3::int`,
};
const PROVIDER = {
  name: 'message_provider',
  text: `SELECT l.provider FROM events.transition t
         JOIN events.event_log l ON l.tenant_id = t.tenant_id AND l.event_id = t.event_id
         WHERE t.tenant_id = $1 AND t.message_id = $2 ORDER BY t.event_id LIMIT 1`,
};
const STEPS = {
  name: 'message_steps',
  text: `SELECT t.*, l.attributes FROM unnest($2::uuid[]) AS k (message_id)
         CROSS JOIN LATERAL (
           SELECT t.message_id, t.event_id, t.from_state, t.to_state, t.effect,
             date_part('epoch', t.occurred_at) * 1000 AS occurred, date_part('epoch', t.received_at) * 1000 AS received
           FROM events.transition t
           WHERE t.tenant_id = $1 AND t.message_id = k.message_id AND t.to_state <> ''
           ORDER BY t.event_id LIMIT $3::int
         ) t
         LEFT JOIN events.event_log l ON l.tenant_id = $1 AND l.event_id = t.event_id
         ORDER BY t.event_id`,
};

/** Reads messages of one tenant; every transaction must have that tenant set. */
export class MessageRead {
  /** Newest first, each with its first steps. @param after the last ID of the page before. */
  async list(
    tx: Tx,
    tenantId: string,
    filter: MessageFilter,
    after: string | undefined,
    limit: number,
  ): Promise<Page<MessageView>> {
    const { from, before } = idBounds(filter, after);
    const { state, channel, campaign, providerMessageId } = filter;
    const bounds = [tenantId, from, before];
    const values = [...bounds, state, channel, campaign, limit + 1];
    const { rows } =
      providerMessageId === ''
        ? await tx.query<Row>(LIST, values)
        : await tx.query<Row>(LIST_BY_PROVIDER_ID, [...values, providerMessageId]);
    const items = await this.withSteps(tx, tenantId, rows.slice(0, limit), STEPS_OF_LIST_MAX);
    if (rows.length > limit) return { items, next: items.at(-1)!.messageId };
    const isScan = providerMessageId === '' && [state, channel, campaign].some((text) => text !== '');
    if (!isScan) return { items, next: undefined };
    const { rows: ends } = await tx.query<{ message_id: string }>(SCAN_END, bounds);
    return { items, next: ends[0]?.message_id };
  }

  /** With every step, 500 at most. */
  async get(tx: Tx, tenantId: string, messageId: string): Promise<MessageView | undefined> {
    const { rows } = await tx.query<Row>(GET, [tenantId, messageId]);
    return (await this.withSteps(tx, tenantId, rows, STEPS_MAX))[0];
  }

  /** The newest, each with its first steps. */
  async ofConversation(
    tx: Tx,
    tenantId: string,
    conversationId: string,
    limit: number,
  ): Promise<MessageView[]> {
    const { rows } = await tx.query<Row>(OF_CONVERSATION, [tenantId, conversationId, limit]);
    return this.withSteps(tx, tenantId, rows, STEPS_OF_LIST_MAX);
  }

  /** Who first told of a message: for one that came in, its provider. */
  async providerOf(tx: Tx, tenantId: string, messageId: string): Promise<string> {
    const { rows } = await tx.query<{ provider: string }>(PROVIDER, [tenantId, messageId]);
    return rows[0]?.provider ?? '';
  }

  private async withSteps(tx: Tx, tenantId: string, rows: Row[], stepsMax: number): Promise<MessageView[]> {
    if (rows.length === 0) return [];
    const ids = rows.map(({ message_id }) => message_id);
    const { rows: steps } = await tx.query<StepRow>(STEPS, [tenantId, ids, stepsMax]);
    const stepsOf = new Map<string, StepView[]>(ids.map((id) => [id, []]));
    for (const step of steps) stepsOf.get(step.message_id)!.push(stepView(step));
    return rows.map((row) => ({
      messageId: row.message_id,
      state: row.state,
      stateChangedAtMs: row.changed,
      channel: row.channel,
      direction: row.direction,
      providerMessageId: row.provider_message_id ?? '',
      sourceId: row.source_id,
      conversationId: row.conversation_id ?? undefined,
      campaign: row.campaign,
      isContradicted: row.is_contradicted,
      replyToMessageId: row.reply_to_message_id ?? undefined,
      tags: row.tags,
      steps: stepsOf.get(row.message_id)!,
    }));
  }
}

const stepView = (row: StepRow): StepView => ({
  eventId: row.event_id,
  fromState: row.from_state,
  toState: row.to_state,
  effect: row.effect,
  occurredAtMs: row.occurred ?? 0,
  receivedAtMs: row.received,
  unauthenticCause:
    row.attributes === null ? undefined : unauthenticCauseOf(decodeAttributes(row.attributes)),
});
