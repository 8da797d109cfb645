import { uuidBytes } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import type { ConversationKey } from '../domain/conversation-book.js';
import type { ConversationRecord } from '../domain/conversation.js';
import { conversationStateOf } from '../domain/conversation-state.js';
import type { ConsentChange } from '../domain/person-consent.js';
import type { BatchProjection } from '../domain/project-batch.js';
import { handoffReasonOf } from '../domain/handoff.js';
import { placeMsOf, type LoggedEvent } from '../domain/project-event.js';
import { decodeSteps, encodeSteps } from './conversation.codec.js';
import {
  byteaArray,
  int2Array,
  int4Array,
  textArray,
  timeArray,
  uuidArray,
} from '@posthorn/postgres/pg-arrays.js';

type ConversationWrite = Pick<BatchProjection, 'conversations' | 'consents' | 'handoffs'>;

interface Row {
  ids: Buffer;
  channel: string;
  person_hash: Buffer | null;
  campaign: string;
  /** NULL = no step yet. */
  evidence: Buffer | null;
  inbound_count: number;
  outbound_count: number;
  last_message: number | null;
  last_inbound: number | null;
  last_outbound_id: string | null;
  last_outbound: number | null;
  last_outbound_campaign: string;
  created: number;
}

const ms = (column: string): string => `date_part('epoch', c.${column}) * 1000`;

/** In the order of the keys, as everybody does: so two projectors cannot deadlock. */
const LOCK: Statement = {
  name: 'conversation_lock',
  text: `
SELECT uuid_send(c.tenant_id) || uuid_send(c.conversation_id) AS ids, c.channel, c.person_hash, c.campaign,
  c.evidence, c.inbound_count, c.outbound_count, ${ms('last_message_at')} AS last_message,
  ${ms('last_inbound_at')} AS last_inbound, c.last_outbound_id, ${ms('last_outbound_at')} AS last_outbound,
  c.last_outbound_campaign, ${ms('created_at')} AS created
FROM unnest($1::uuid[], $2::uuid[]) AS k (tenant_id, conversation_id)
JOIN events.conversation c ON c.tenant_id = k.tenant_id AND c.conversation_id = k.conversation_id
ORDER BY c.tenant_id, c.conversation_id
FOR NO KEY UPDATE OF c`,
};

const COLUMNS = `tenant_id, conversation_id, channel, person_hash, campaign, state, state_changed_at, evidence,
  inbound_count, outbound_count, last_message_at, last_inbound_at, last_outbound_id, last_outbound_at,
  last_outbound_campaign`;
const typesFrom = (first: number): string =>
  ['uuid', 'uuid', 'text', 'bytea', 'text', 'text', 'timestamptz', 'bytea', 'int4', 'int4', 'timestamptz']
    .concat(['timestamptz', 'uuid', 'timestamptz', 'text', 'timestamptz'])
    .map((type, index) => `$${first + index}::${type}[]`)
    .join(', ');

const WRITE: Statement = {
  name: 'conversation_write',
  text: `
WITH created AS (
  INSERT INTO events.conversation (${COLUMNS}, created_at)
  SELECT * FROM unnest(${typesFrom(1)})
  ON CONFLICT DO NOTHING
  RETURNING 1
), changed AS (
  UPDATE events.conversation c SET channel = u.channel, person_hash = u.person_hash, campaign = u.campaign,
    state = u.state, state_changed_at = u.state_changed_at, evidence = u.evidence, inbound_count = u.inbound_count,
    outbound_count = u.outbound_count, last_message_at = u.last_message_at, last_inbound_at = u.last_inbound_at,
    last_outbound_id = u.last_outbound_id, last_outbound_at = u.last_outbound_at,
    last_outbound_campaign = u.last_outbound_campaign
  FROM unnest(${typesFrom(17)}) AS u (${COLUMNS}, created_at)
  WHERE c.tenant_id = u.tenant_id AND c.conversation_id = u.conversation_id
), consents AS (
  INSERT INTO events.person_consent AS p (tenant_id, person_hash, opted_out_at, opted_in_at)
  SELECT * FROM unnest($33::uuid[], $34::bytea[], $35::timestamptz[], $36::timestamptz[])
  ON CONFLICT (tenant_id, person_hash) DO UPDATE
    SET opted_out_at = GREATEST(p.opted_out_at, excluded.opted_out_at),
      opted_in_at = GREATEST(p.opted_in_at, excluded.opted_in_at)
), handoffs AS (
  INSERT INTO events.handoff (tenant_id, handoff_id, conversation_id, key, state, reason, requested_by,
    requested_at, queue, priority, last_step_at)
  SELECT tenant_id, handoff_id, conversation_id, '', 'escalated', reason, 'bot', requested_at, queue, priority, requested_at
  FROM unnest($37::uuid[], $38::uuid[], $39::uuid[], $40::text[], $41::timestamptz[], $42::text[], $43::int2[])
    AS h (tenant_id, handoff_id, conversation_id, reason, requested_at, queue, priority)
  ON CONFLICT DO NOTHING
)
SELECT (SELECT count(*)::int4 FROM created) AS created`,
};

/** Reads and writes conversations for the projector. */
export class ConversationStore {
  /** Those that exist, locked until the transaction ends. */
  async lock(tx: Tx, keys: readonly ConversationKey[]): Promise<ConversationRecord[]> {
    if (keys.length === 0) return [];
    const { rows } = await tx.query<Row>(LOCK, [
      uuidArray(keys.map(({ tenantId }) => tenantId)),
      uuidArray(keys.map(({ conversationId }) => conversationId)),
    ]);
    return rows.map(recordOf);
  }

  /** @throws AppError `lease.lost` when another worker made one of the conversations: begin again. */
  async write(tx: Tx, { conversations, consents, handoffs }: ConversationWrite): Promise<void> {
    const { created, changed } = conversations;
    if (created.length + changed.length + consents.length + handoffs.length === 0) return;
    const { rows } = await tx.query<{ created: number }>(WRITE, [
      ...columnsOf(created),
      ...columnsOf(changed),
      ...consentColumns(consents),
      ...handoffColumns(handoffs),
    ]);
    if (rows[0]!.created !== created.length)
      throw new AppError('lease.lost', { detail: 'another worker made the conversation' });
  }
}

function columnsOf(records: readonly ConversationRecord[]): Buffer[] {
  const states = records.map(({ evidence }) => conversationStateOf(evidence));
  return [
    uuidArray(records.map(({ tenantId }) => tenantId)),
    uuidArray(records.map(({ conversationId }) => conversationId)),
    textArray(records.map(({ channel }) => channel)),
    byteaArray(records.map(({ personHash }) => personHash)),
    textArray(records.map(({ campaign }) => campaign)),
    textArray(states.map(({ state }) => state)),
    timeArray(states.map(({ changedAtMs }, index) => changedAtMs || records[index]!.createdAtMs)),
    byteaArray(records.map(({ evidence }) => encodeSteps(evidence))),
    int4Array(records.map(({ inboundCount }) => inboundCount)),
    int4Array(records.map(({ outboundCount }) => outboundCount)),
    timeArray(records.map(({ lastMessageAtMs }) => lastMessageAtMs)),
    timeArray(records.map(({ lastInboundAtMs }) => lastInboundAtMs)),
    uuidArray(records.map(({ lastOutbound }) => lastOutbound?.messageId)),
    timeArray(records.map(({ lastOutbound }) => lastOutbound?.atMs ?? 0)),
    textArray(records.map(({ lastOutbound }) => lastOutbound?.campaign ?? '')),
    timeArray(records.map(({ createdAtMs }) => createdAtMs)),
  ];
}

const consentColumns = (consents: readonly ConsentChange[]): Buffer[] => [
  uuidArray(consents.map(({ tenantId }) => tenantId)),
  byteaArray(consents.map(({ personHash }) => personHash)),
  timeArray(consents.map(({ optedOutAtMs }) => optedOutAtMs)),
  timeArray(consents.map(({ optedInAtMs }) => optedInAtMs)),
];

const handoffColumns = (events: readonly LoggedEvent[]): Buffer[] => [
  uuidArray(events.map(({ tenantId }) => tenantId)),
  uuidArray(events.map(({ eventId }) => eventId)),
  uuidArray(events.map(({ attributes }) => attributes.conversationHash)),
  textArray(events.map(({ attributes }) => handoffReasonOf(attributes.note))),
  timeArray(events.map(placeMsOf)),
  textArray(events.map(({ attributes }) => attributes.queue ?? '')),
  int2Array(events.map(({ attributes }) => attributes.priority ?? 0)),
];

const recordOf = (row: Row): ConversationRecord => ({
  tenantId: row.ids.subarray(0, 16),
  conversationId: row.ids.subarray(16, 32),
  channel: row.channel,
  personHash: row.person_hash ?? undefined,
  campaign: row.campaign,
  evidence: row.evidence === null ? [] : decodeSteps(row.evidence),
  inboundCount: row.inbound_count,
  outboundCount: row.outbound_count,
  lastMessageAtMs: row.last_message ?? 0,
  lastInboundAtMs: row.last_inbound ?? 0,
  lastOutbound:
    row.last_outbound_id === null
      ? undefined
      : {
          messageId: uuidBytes(row.last_outbound_id),
          atMs: row.last_outbound!,
          campaign: row.last_outbound_campaign,
        },
  createdAtMs: row.created,
});
