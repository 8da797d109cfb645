import type { Tx } from '@posthorn/postgres/database.js';
import { idBounds, type TimeSpan } from '../domain/page.js';
import type { EventAttributes } from '../domain/intake.js';
import { decodeAttributes } from './attributes.codec.js';
import type { Page } from './event.read.js';

/** One event of a person, and what it did. IDs are UUID texts; times Unix milliseconds. */
export interface PersonEventRecord {
  readonly eventId: string;
  readonly type: string;
  readonly provider: string;
  readonly sourceId: string;
  readonly messageId: string | undefined;
  readonly conversationId: string;
  readonly attributes: EventAttributes;
  readonly fromState: string;
  readonly toState: string;
  readonly effect: string;
  readonly conversationFrom: string;
  readonly conversationTo: string;
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  readonly projectedAtMs: number;
  /** Of those asked for, the one whose conversation it is in. */
  readonly personHash: Buffer;
}

interface Row {
  event_id: string;
  type: string;
  provider: string;
  source_id: string;
  message_id: string | null;
  conversation_id: string;
  attributes: Buffer;
  from_state: string;
  to_state: string;
  effect: string;
  conversation_from: string | null;
  conversation_to: string | null;
  occurred: number | null;
  received: number;
  projected: number;
  person_hash: Buffer;
}

/** No request makes the database look at more of a person's life than this. */
const CONVERSATIONS_MAX = 500;
const MESSAGES_MAX = 5_000;
const EVENTS_PER_MESSAGE_MAX = 100;

/**
 * By the person's conversations: an index of the log by person would cost intake at every event.
 * A message's events come through its timeline, a hand-off's through its steps.
 */
const LIST = {
  name: 'person_events',
  text: `
WITH c AS MATERIALIZED (
  SELECT conversation_id, person_hash FROM events.conversation
  WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[]) ORDER BY created_at DESC LIMIT ${CONVERSATIONS_MAX}
), m AS MATERIALIZED (
  SELECT m.message_id, m.conversation_id, c.person_hash FROM c
  JOIN events.message m ON m.tenant_id = $1 AND m.conversation_id = c.conversation_id
  WHERE m.message_id < $4::uuid ORDER BY m.message_id DESC LIMIT ${MESSAGES_MAX}
), e AS (
  SELECT t.event_id, m.conversation_id, m.person_hash FROM m CROSS JOIN LATERAL (
    SELECT event_id FROM events.transition t
    WHERE t.tenant_id = $1 AND t.message_id = m.message_id AND t.event_id >= $3::uuid AND t.event_id < $4::uuid
    ORDER BY event_id DESC LIMIT ${EVENTS_PER_MESSAGE_MAX}
  ) t
  UNION ALL
  SELECT s.event_id, c.conversation_id, c.person_hash FROM c
  JOIN events.handoff_step s ON s.tenant_id = $1 AND s.conversation_id = c.conversation_id
  WHERE s.event_id >= $3::uuid AND s.event_id < $4::uuid
)
SELECT l.event_id, l.type, l.provider, l.source_id, t.message_id, e.conversation_id, l.attributes, t.from_state,
  t.to_state, t.effect, t.conversation_from, t.conversation_to, date_part('epoch', l.occurred_at) * 1000 AS occurred,
  date_part('epoch', l.received_at) * 1000 AS received, date_part('epoch', t.projected_at) * 1000 AS projected,
  e.person_hash
FROM (SELECT * FROM e ORDER BY event_id DESC LIMIT $5::int) e
JOIN events.event_log l ON l.tenant_id = $1 AND l.event_id = e.event_id
JOIN events.transition t ON t.tenant_id = $1 AND t.event_id = e.event_id
ORDER BY l.event_id DESC`,
};

/** Reads what the log says about one person; every transaction must have the tenant set. */
export class PersonRead {
  /** Newest first. @param personHashes of the person's addresses. @param after the last ID of the page before. */
  async events(
    tx: Tx,
    tenantId: string,
    personHashes: readonly Buffer[],
    span: TimeSpan,
    after: string | undefined,
    limit: number,
  ): Promise<Page<PersonEventRecord>> {
    const { from, before } = idBounds(span, after);
    const { rows } = await tx.query<Row>(LIST, [tenantId, personHashes, from, before, limit + 1]);
    const items = rows.slice(0, limit).map(recordOf);
    return { items, next: rows.length > limit ? items.at(-1)!.eventId : undefined };
  }
}

const recordOf = (row: Row): PersonEventRecord => ({
  eventId: row.event_id,
  type: row.type,
  provider: row.provider,
  sourceId: row.source_id,
  messageId: row.message_id ?? undefined,
  conversationId: row.conversation_id,
  attributes: decodeAttributes(row.attributes),
  fromState: row.from_state,
  toState: row.to_state,
  effect: row.effect,
  conversationFrom: row.conversation_from ?? '',
  conversationTo: row.conversation_to ?? '',
  occurredAtMs: row.occurred ?? 0,
  receivedAtMs: row.received,
  projectedAtMs: row.projected,
  personHash: row.person_hash,
});
