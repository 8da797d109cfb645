import { uuidBytes } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { ConversationRecord } from '../domain/conversation.js';
import type { Effect } from '../domain/message-state.js';
import { idBounds, type TimeSpan } from '../domain/page.js';
import type { LoggedEvent, MessageRecord } from '../domain/project-event.js';
import type { StoredSeen } from '../domain/rule-dry-run.js';
import { decodeAttributes } from './attributes.codec.js';
import { decodeSteps } from './conversation.codec.js';
import { decodeEvidence } from './evidence.codec.js';

interface Row {
  event_id: string;
  source_id: string;
  type: string;
  provider: string;
  person_hash: Buffer | null;
  occurred: number | null;
  received: number;
  stored: number;
  attributes: Buffer;
  from_state: string;
  to_state: string;
  effect: Effect;
  is_applied: boolean;
  conversation_from: string | null;
  conversation_to: string | null;
  message_id: string | null;
  message_evidence: Buffer;
  message_channel: string;
  direction: string;
  message_campaign: string;
  message_person: Buffer | null;
  is_command: boolean;
  reply_to_message_id: string | null;
  conversation_id: string | null;
  channel: string;
  conversation_person: Buffer | null;
  campaign: string;
  evidence: Buffer | null;
  inbound_count: number;
  outbound_count: number;
  last_message: number | null;
  last_inbound: number | null;
  last_outbound: number | null;
  created: number;
  opted_out: number | null;
  opted_in: number | null;
}

const ms = (column: string): string => `date_part('epoch', ${column}) * 1000`;

/** What was projected only: the others have left nothing yet. */
const NEWEST = {
  name: 'rule_dry_run',
  text: `
SELECT l.event_id, l.source_id, l.type, l.provider, l.person_hash, ${ms('l.occurred_at')} AS occurred,
  ${ms('l.received_at')} AS received, ${ms('l.stored_at')} AS stored, l.attributes, t.from_state, t.to_state, t.effect,
  t.is_applied, t.conversation_from, t.conversation_to, m.message_id, m.evidence AS message_evidence,
  m.channel AS message_channel, m.direction, m.campaign AS message_campaign, m.person_hash AS message_person,
  m.is_command, m.reply_to_message_id, c.conversation_id, c.channel, c.person_hash AS conversation_person, c.campaign,
  c.evidence, c.inbound_count, c.outbound_count, ${ms('c.last_message_at')} AS last_message,
  ${ms('c.last_inbound_at')} AS last_inbound, ${ms('c.last_outbound_at')} AS last_outbound,
  ${ms('c.created_at')} AS created, ${ms('p.opted_out_at')} AS opted_out, ${ms('p.opted_in_at')} AS opted_in
FROM (
  SELECT * FROM events.event_log WHERE tenant_id = $1 AND event_id >= $2 AND event_id < $3
  ORDER BY event_id DESC LIMIT $4::int
) l
JOIN events.transition t ON t.tenant_id = l.tenant_id AND t.event_id = l.event_id
LEFT JOIN events.message m ON m.tenant_id = l.tenant_id AND m.message_id = t.message_id
LEFT JOIN events.conversation c
  ON c.tenant_id = l.tenant_id AND c.conversation_id = COALESCE(m.conversation_id, l.conversation_id)
LEFT JOIN events.person_consent p
  ON p.tenant_id = l.tenant_id AND p.person_hash = COALESCE(l.person_hash, m.person_hash, c.person_hash)
ORDER BY l.event_id`,
};

/** Reads stored events with what they concern, for a rule that is tried on them. */
export class RuleDryRunRead {
  /** The newest of that time, oldest first. @param tenantId UUID text. */
  async newest(tx: Tx, tenantId: string, span: TimeSpan, limit: number): Promise<StoredSeen[]> {
    const { from, before } = idBounds(span, undefined);
    const { rows } = await tx.query<Row>(NEWEST, [tenantId, from, before, limit]);
    const tenant = uuidBytes(tenantId);
    return rows.map((row) => seenOf(row, tenant));
  }
}

function seenOf(row: Row, tenantId: Buffer): StoredSeen {
  const message = row.message_id === null ? undefined : messageOf(row, row.message_id, tenantId);
  const { from_state: fromState, to_state: toState, effect, is_applied: isApplied } = row;
  const { conversation_from: from, conversation_to: to } = row;
  return {
    transition: {
      event: eventOf(row, tenantId),
      messageId: message?.messageId,
      ...{ fromState, toState, effect, isApplied },
      conversation: to === null ? undefined : { from: from ?? '', to },
    },
    message,
    conversation:
      row.conversation_id === null ? undefined : conversationOf(row, row.conversation_id, tenantId),
    consent: { optedOutAtMs: row.opted_out ?? 0, optedInAtMs: row.opted_in ?? 0 },
  };
}

const eventOf = (row: Row, tenantId: Buffer): LoggedEvent => ({
  ...{ tenantId, shard: 0, xid: 0n, position: 0n, traceparent: '' },
  eventId: uuidBytes(row.event_id),
  sourceId: uuidBytes(row.source_id),
  type: row.type,
  provider: row.provider,
  personHash: row.person_hash ?? undefined,
  occurredAtMs: row.occurred ?? 0,
  receivedAtMs: row.received,
  storedAtMs: row.stored,
  attributes: decodeAttributes(row.attributes),
});

const messageOf = (row: Row, messageId: string, tenantId: Buffer): MessageRecord => ({
  tenantId,
  messageId: uuidBytes(messageId),
  sourceId: uuidBytes(row.source_id),
  providerMessageId: '',
  evidence: decodeEvidence(row.message_evidence),
  channel: row.message_channel,
  direction: row.direction,
  campaign: row.message_campaign,
  conversationId: row.conversation_id === null ? undefined : uuidBytes(row.conversation_id),
  personHash: row.message_person ?? undefined,
  isCommand: row.is_command,
  replyTo: row.reply_to_message_id === null ? undefined : uuidBytes(row.reply_to_message_id),
  mergedInto: undefined,
});

const conversationOf = (row: Row, conversationId: string, tenantId: Buffer): ConversationRecord => ({
  tenantId,
  conversationId: uuidBytes(conversationId),
  channel: row.channel,
  personHash: row.conversation_person ?? undefined,
  campaign: row.campaign,
  evidence: row.evidence === null ? [] : decodeSteps(row.evidence),
  inboundCount: row.inbound_count,
  outboundCount: row.outbound_count,
  lastMessageAtMs: row.last_message ?? 0,
  lastInboundAtMs: row.last_inbound ?? 0,
  lastOutbound:
    row.last_outbound === null
      ? undefined
      : { messageId: Buffer.alloc(16), atMs: row.last_outbound, campaign: row.campaign },
  createdAtMs: row.created,
});
