import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { uuidBytes } from '@posthorn/clock/id.js';
import { stateOf } from '../domain/message-state.js';
import type { BatchProjection, LaneCursor, MessageKey } from '../domain/project-batch.js';
import type { MessageRecord } from '../domain/project-event.js';
import { decodeEvidence, encodeEvidence } from './evidence.codec.js';
import { encodeFact } from './fact.codec.js';
import { boolArray, byteaArray, int2Array, int8Array, textArray, timeArray, uuidArray } from './pg-arrays.js';

/** Everything that one transaction of the projector writes. */
export interface ProjectionWrite extends Omit<BatchProjection, 'facts' | 'lanes'> {
  readonly facts: readonly { readonly shard: number; readonly fact: Fact }[];
  /** Where each lane stands afterwards, and where it must stand before. */
  readonly lanes: readonly {
    readonly before: LaneCursor;
    readonly after: LaneCursor;
    readonly epoch: bigint;
  }[];
  readonly projectedAtMs: number;
}

interface MessageRow {
  message_id: string;
  ordinal: number;
  evidence: Buffer;
  channel: string;
  direction: string;
  campaign: string;
  conversation_id: string | null;
  person_hash: Buffer | null;
}

/** Locks in the order of the keys, as everybody does: so two projectors cannot deadlock. */
const LOCK: Statement = {
  name: 'message_lock',
  text: `
SELECT m.message_id, k.ordinal::int4 AS ordinal, m.evidence, m.channel, m.direction, m.campaign,
  m.conversation_id, m.person_hash
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY AS k (tenant_id, source_id, provider_message_id, ordinal)
JOIN events.message m ON m.tenant_id = k.tenant_id AND m.source_id = k.source_id
  AND m.provider_message_id = k.provider_message_id COLLATE "C"
ORDER BY m.tenant_id, m.provider_message_id, m.source_id
FOR NO KEY UPDATE OF m`,
};

/**
 * State, timeline, facts, quarantine and cursors in one statement.
 * The counts tell whether another worker was faster: with a new message of the same key, or with these lanes.
 */
const WRITE: Statement = {
  name: 'projection_write',
  text: `
WITH created AS (
  INSERT INTO events.message (tenant_id, message_id, source_id, provider_message_id, state, state_changed_at,
    is_contradicted, evidence, channel, direction, campaign, conversation_id, person_hash)
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
    $7::bool[], $8::bytea[], $9::text[], $10::text[], $11::text[], $12::uuid[], $13::bytea[])
  ON CONFLICT DO NOTHING
  RETURNING 1
), changed AS (
  UPDATE events.message m SET state = u.state, state_changed_at = u.state_changed_at,
    is_contradicted = u.is_contradicted, evidence = u.evidence, channel = u.channel, direction = u.direction,
    campaign = u.campaign, conversation_id = u.conversation_id, person_hash = u.person_hash
  FROM unnest($14::uuid[], $15::uuid[], $16::text[], $17::timestamptz[], $18::bool[], $19::bytea[], $20::text[],
    $21::text[], $22::text[], $23::uuid[], $24::bytea[])
    AS u (tenant_id, message_id, state, state_changed_at, is_contradicted, evidence, channel, direction, campaign,
      conversation_id, person_hash)
  WHERE m.tenant_id = u.tenant_id AND m.message_id = u.message_id
), transitions AS (
  INSERT INTO events.transition (tenant_id, event_id, message_id, from_state, to_state, effect, is_applied,
    occurred_at, received_at, projected_at)
  SELECT t.*, $34::timestamptz FROM unnest($25::uuid[], $26::uuid[], $27::uuid[], $28::text[], $29::text[],
    $30::text[], $31::bool[], $32::timestamptz[], $33::timestamptz[]) AS t
), facts AS (
  INSERT INTO events.outbox (shard, sequence, event_id, fact)
  SELECT * FROM unnest($35::int2[], $36::int8[], $37::uuid[], $38::bytea[])
), quarantined AS (
  INSERT INTO events.quarantine (tenant_id, event_id, shard, cause, quarantined_at)
  SELECT q.*, $34::timestamptz FROM unnest($39::uuid[], $40::uuid[], $41::int2[], $42::text[]) AS q
), lanes AS (
  UPDATE events.shard s SET cursor_xid = c.xid::text::xid8, cursor_position = c.position, head_sequence = c.head
  FROM unnest($43::int2[], $44::int8[], $45::int8[], $46::int8[], $47::int8[], $48::int8[], $49::int8[])
    AS c (shard, epoch, position_before, head_before, xid, position, head)
  WHERE s.shard = c.shard AND s.epoch = c.epoch AND s.cursor_position = c.position_before
    AND s.head_sequence = c.head_before
  RETURNING 1
)
SELECT (SELECT count(*)::int4 FROM created) AS created, (SELECT count(*)::int4 FROM lanes) AS lanes`,
};

/** Reads and writes state for the projector. */
export class ProjectionStore {
  /** The messages of these keys, locked until the transaction ends; undefined for one that is not there. */
  async lockMessages(tx: Tx, keys: readonly MessageKey[]): Promise<(MessageRecord | undefined)[]> {
    if (keys.length === 0) return [];
    const { rows } = await tx.query<MessageRow>(LOCK, [
      uuidArray(keys.map(({ tenantId }) => tenantId)),
      uuidArray(keys.map(({ sourceId }) => sourceId)),
      textArray(keys.map(({ providerMessageId }) => providerMessageId)),
    ]);
    const found = new Array<MessageRecord | undefined>(keys.length).fill(undefined);
    for (const row of rows) found[row.ordinal - 1] = messageOf(keys[row.ordinal - 1]!, row);
    return found;
  }

  /** @throws AppError `lease.lost` when a lane or a message is not as it was read: begin again. */
  async write(tx: Tx, write: ProjectionWrite): Promise<void> {
    const { rows } = await tx.query<{ created: number; lanes: number }>(WRITE, [
      ...createdColumns(write.created),
      ...changedColumns(write.changed),
      ...transitionColumns(write),
      int2Array(write.facts.map(({ shard }) => shard)),
      int8Array(write.facts.map(({ fact }) => fact.sequence)),
      uuidArray(write.facts.map(({ fact }) => fact.eventId)),
      byteaArray(write.facts.map(({ fact }) => encodeFact(fact))),
      uuidArray(write.quarantined.map(({ event }) => event.tenantId)),
      uuidArray(write.quarantined.map(({ event }) => event.eventId)),
      int2Array(write.quarantined.map(({ event }) => event.shard)),
      textArray(write.quarantined.map(({ cause }) => cause)),
      int2Array(write.lanes.map(({ after }) => after.shard)),
      int8Array(write.lanes.map(({ epoch }) => epoch)),
      int8Array(write.lanes.map(({ before }) => before.position)),
      int8Array(write.lanes.map(({ before }) => before.headSequence)),
      int8Array(write.lanes.map(({ after }) => after.xid)),
      int8Array(write.lanes.map(({ after }) => after.position)),
      int8Array(write.lanes.map(({ after }) => after.headSequence)),
    ]);
    const { created, lanes } = rows[0]!;
    if (lanes !== write.lanes.length)
      throw new AppError('lease.lost', { detail: 'another worker moved the cursor' });
    if (created !== write.created.length)
      throw new AppError('lease.lost', { detail: 'another worker made the message' });
  }
}

const messageOf = (key: MessageKey, row: MessageRow): MessageRecord => ({
  messageId: uuidBytes(row.message_id),
  tenantId: key.tenantId,
  sourceId: key.sourceId,
  providerMessageId: key.providerMessageId,
  evidence: decodeEvidence(row.evidence),
  channel: row.channel,
  direction: row.direction,
  campaign: row.campaign,
  conversationId: row.conversation_id === null ? undefined : uuidBytes(row.conversation_id),
  personHash: row.person_hash ?? undefined,
});

function createdColumns(messages: readonly MessageRecord[]): Buffer[] {
  return [
    uuidArray(messages.map(({ tenantId }) => tenantId)),
    uuidArray(messages.map(({ messageId }) => messageId)),
    uuidArray(messages.map(({ sourceId }) => sourceId)),
    textArray(messages.map(({ providerMessageId }) => providerMessageId)),
    ...stateColumns(messages),
  ];
}

function changedColumns(messages: readonly MessageRecord[]): Buffer[] {
  return [
    uuidArray(messages.map(({ tenantId }) => tenantId)),
    uuidArray(messages.map(({ messageId }) => messageId)),
    ...stateColumns(messages),
  ];
}

function stateColumns(messages: readonly MessageRecord[]): Buffer[] {
  const states = messages.map(({ evidence }) => stateOf(evidence));
  return [
    textArray(states.map(({ state }) => state)),
    timeArray(states.map(({ stateChangedAtMs }) => stateChangedAtMs)),
    boolArray(states.map(({ isContradicted }) => isContradicted)),
    byteaArray(messages.map(({ evidence }) => encodeEvidence(evidence))),
    textArray(messages.map(({ channel }) => channel)),
    textArray(messages.map(({ direction }) => direction)),
    textArray(messages.map(({ campaign }) => campaign)),
    uuidArray(messages.map(({ conversationId }) => conversationId)),
    byteaArray(messages.map(({ personHash }) => personHash)),
  ];
}

function transitionColumns({ transitions, projectedAtMs }: ProjectionWrite): unknown[] {
  return [
    uuidArray(transitions.map(({ event }) => event.tenantId)),
    uuidArray(transitions.map(({ event }) => event.eventId)),
    uuidArray(transitions.map(({ messageId }) => messageId)),
    textArray(transitions.map(({ fromState }) => fromState)),
    textArray(transitions.map(({ toState }) => toState)),
    textArray(transitions.map(({ effect }) => effect)),
    boolArray(transitions.map(({ isApplied }) => isApplied)),
    timeArray(transitions.map(({ event }) => event.occurredAtMs)),
    timeArray(transitions.map(({ event }) => event.receivedAtMs)),
    new Date(projectedAtMs).toISOString(),
  ];
}
