import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { uuidBytes } from '@posthorn/clock/id.js';
import { stateOf } from '../domain/message-state.js';
import type { Merge, MessageId, MessageKey } from '../domain/message-book.js';
import type { BatchProjection, LaneCursor } from '../domain/project-batch.js';
import type { MessageRecord } from '../domain/project-event.js';
import { driftsOf } from '../domain/drift.js';
import { isSetAside } from '../domain/set-aside.js';
import { writeDrifts } from './drift.store.js';
import { decodeEvidence, encodeEvidence } from './evidence.codec.js';
import { encodeFact } from './fact.codec.js';
import { park, unpark } from './parked.store.js';
import { setAside } from './quarantine.store.js';
import { addParts } from './part.store.js';
import {
  boolArray,
  byteaArray,
  int2Array,
  int8Array,
  textArray,
  timeArray,
  uuidArray,
} from '@posthorn/postgres/pg-arrays.js';

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
  ids: Buffer;
  provider_message_id: string | null;
  evidence: Buffer;
  channel: string;
  direction: string;
  campaign: string;
  conversation_id: string | null;
  person_hash: Buffer | null;
  is_command: boolean;
  reply_to_message_id: string | null;
  merged_into: string | null;
}

const MESSAGE_COLUMNS = `uuid_send(m.tenant_id) || uuid_send(m.message_id) || uuid_send(m.source_id) AS ids,
  m.provider_message_id, m.evidence, m.channel, m.direction, m.campaign, m.conversation_id, m.person_hash,
  m.is_command, m.reply_to_message_id, m.merged_into`;
const KEYS_JOIN = `unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (tenant_id, source_id, provider_message_id)
JOIN events.message m ON m.tenant_id = k.tenant_id AND m.source_id = k.source_id
  AND m.provider_message_id = k.provider_message_id COLLATE "C"`;
// Locks in the order of the IDs, as everybody does: so two projectors cannot deadlock.
const IN_ORDER = `ORDER BY m.tenant_id, m.message_id FOR NO KEY UPDATE OF m`;

const LOCK: Statement = {
  name: 'message_lock',
  text: `SELECT ${MESSAGE_COLUMNS} FROM ${KEYS_JOIN} ${IN_ORDER}`,
};

/** The same for a batch with commands, which are known by our own ID too. */
const LOCK_WITH_IDS: Statement = {
  name: 'message_lock_with_ids',
  text: `
SELECT ${MESSAGE_COLUMNS}
FROM (
  SELECT m.tenant_id, m.message_id FROM ${KEYS_JOIN}
  UNION
  SELECT tenant_id, message_id FROM unnest($4::uuid[], $5::uuid[]) AS i (tenant_id, message_id)
) k JOIN events.message m ON m.tenant_id = k.tenant_id AND m.message_id = k.message_id
${IN_ORDER}`,
};

/**
 * Rows that turned out to be other messages: they give up their provider's ID, and their timeline moves.
 * Before WRITE, in a statement of its own: the ID is unique, and there it goes to the other row.
 */
const MERGE: Statement = {
  name: 'message_merge',
  text: `
WITH g AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS g (tenant_id, from_id, into_id)
), moved AS (
  UPDATE events.transition t SET message_id = g.into_id FROM g
  WHERE t.tenant_id = g.tenant_id AND t.message_id = g.from_id
)
UPDATE events.message m SET provider_message_id = NULL, conversation_id = NULL, merged_into = g.into_id FROM g
WHERE m.tenant_id = g.tenant_id AND m.message_id = g.from_id`,
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
    is_contradicted, evidence, channel, direction, campaign, conversation_id, person_hash, is_command,
    reply_to_message_id)
  SELECT tenant_id, message_id, source_id, NULLIF(provider_message_id, ''), state, state_changed_at,
    is_contradicted, evidence, channel, direction, campaign, conversation_id, person_hash, is_command,
    reply_to_message_id
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::bool[],
    $8::bytea[], $9::text[], $10::text[], $11::text[], $12::uuid[], $13::bytea[], $14::bool[], $15::uuid[])
    AS c (tenant_id, message_id, source_id, provider_message_id, state, state_changed_at, is_contradicted, evidence,
      channel, direction, campaign, conversation_id, person_hash, is_command, reply_to_message_id)
  ON CONFLICT DO NOTHING
  RETURNING 1
), changed AS (
  UPDATE events.message m SET provider_message_id = NULLIF(u.provider_message_id, ''), state = u.state,
    state_changed_at = u.state_changed_at, is_contradicted = u.is_contradicted, evidence = u.evidence,
    channel = u.channel, direction = u.direction, campaign = u.campaign, conversation_id = u.conversation_id,
    person_hash = u.person_hash, is_command = u.is_command, reply_to_message_id = u.reply_to_message_id
  FROM unnest($16::uuid[], $17::uuid[], $18::text[], $19::text[], $20::timestamptz[], $21::bool[], $22::bytea[],
    $23::text[], $24::text[], $25::text[], $26::uuid[], $27::bytea[], $28::bool[], $29::uuid[])
    AS u (tenant_id, message_id, provider_message_id, state, state_changed_at, is_contradicted, evidence, channel,
      direction, campaign, conversation_id, person_hash, is_command, reply_to_message_id)
  WHERE m.tenant_id = u.tenant_id AND m.message_id = u.message_id
), transitions AS (
  INSERT INTO events.transition (tenant_id, event_id, message_id, from_state, to_state, effect, is_applied,
    conversation_from, conversation_to, occurred_at, received_at, projected_at)
  SELECT tenant_id, event_id, message_id, from_state, to_state, effect, is_applied, NULLIF(conversation_from, ''),
    NULLIF(conversation_to, ''), occurred_at, received_at, $41::timestamptz
  FROM unnest($30::uuid[], $31::uuid[], $32::uuid[], $33::text[], $34::text[], $35::text[], $36::bool[],
    $37::text[], $38::text[], $39::timestamptz[], $40::timestamptz[])
    AS t (tenant_id, event_id, message_id, from_state, to_state, effect, is_applied, conversation_from,
      conversation_to, occurred_at, received_at)
), facts AS (
  INSERT INTO events.outbox (shard, sequence, event_id, fact)
  SELECT * FROM unnest($42::int2[], $43::int8[], $44::uuid[], $45::bytea[])
), quarantined AS (
  INSERT INTO events.quarantine (tenant_id, event_id, shard, cause, quarantined_at)
  SELECT q.*, $41::timestamptz FROM unnest($46::uuid[], $47::uuid[], $48::int2[], $49::text[]) AS q
), lanes AS (
  UPDATE events.shard s SET cursor_xid = c.xid::text::xid8, cursor_position = c.position, head_sequence = c.head
  FROM unnest($50::int2[], $51::int8[], $52::int8[], $53::int8[], $54::int8[], $55::int8[], $56::int8[])
    AS c (shard, epoch, position_before, head_before, xid, position, head)
  WHERE s.shard = c.shard AND s.epoch = c.epoch AND s.cursor_position = c.position_before
    AND s.head_sequence = c.head_before
  RETURNING 1
)
SELECT (SELECT count(*)::int4 FROM created) AS created, (SELECT count(*)::int4 FROM lanes) AS lanes`,
};

/** Reads and writes state for the projector. */
export class ProjectionStore {
  /** The messages that have one of these names, each once, locked until the transaction ends. */
  async lockMessages(
    tx: Tx,
    keys: readonly MessageKey[],
    ids: readonly MessageId[],
  ): Promise<MessageRecord[]> {
    if (keys.length + ids.length === 0) return [];
    const keyColumns = [
      uuidArray(keys.map(({ tenantId }) => tenantId)),
      uuidArray(keys.map(({ sourceId }) => sourceId)),
      textArray(keys.map(({ providerMessageId }) => providerMessageId)),
    ];
    const idColumns = [
      uuidArray(ids.map(({ tenantId }) => tenantId)),
      uuidArray(ids.map(({ messageId }) => messageId)),
    ];
    const { rows } =
      ids.length === 0
        ? await tx.query<MessageRow>(LOCK, keyColumns)
        : await tx.query<MessageRow>(LOCK_WITH_IDS, [...keyColumns, ...idColumns]);
    return rows.map(messageOf);
  }

  /** @throws AppError `lease.lost` when a lane or a message is not as it was read: begin again. */
  async write(tx: Tx, write: ProjectionWrite): Promise<void> {
    if (write.merged.length > 0) await tx.query(MERGE, mergeColumns(write.merged));
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
    if (write.parked.length > 0) await park(tx, write.parked);
    if (write.unparked.length > 0) await unpark(tx, write.unparked);
    if (write.parts.length > 0) await addParts(tx, write.parts);
    const drifts = driftsOf(write.transitions);
    if (drifts.length > 0) await writeDrifts(tx, drifts);
    const aside = drifts.length === 0 ? [] : write.transitions.filter(({ event }) => isSetAside(event));
    if (aside.length > 0) await setAside(tx, aside, write.projectedAtMs);
    const { created, lanes } = rows[0]!;
    if (lanes !== write.lanes.length)
      throw new AppError('lease.lost', { detail: 'another worker moved the cursor' });
    if (created !== write.created.length)
      throw new AppError('lease.lost', { detail: 'another worker made the message' });
  }
}

const uuidOrNone = (uuid: string | null): Buffer | undefined => (uuid === null ? undefined : uuidBytes(uuid));

const messageOf = (row: MessageRow): MessageRecord => ({
  tenantId: row.ids.subarray(0, 16),
  messageId: row.ids.subarray(16, 32),
  sourceId: row.ids.subarray(32, 48),
  providerMessageId: row.provider_message_id ?? '',
  evidence: decodeEvidence(row.evidence),
  channel: row.channel,
  direction: row.direction,
  campaign: row.campaign,
  conversationId: uuidOrNone(row.conversation_id),
  personHash: row.person_hash ?? undefined,
  isCommand: row.is_command,
  replyTo: uuidOrNone(row.reply_to_message_id),
  mergedInto: uuidOrNone(row.merged_into),
});

const mergeColumns = (merges: readonly Merge[]): Buffer[] => [
  uuidArray(merges.map(({ tenantId }) => tenantId)),
  uuidArray(merges.map(({ from }) => from)),
  uuidArray(merges.map(({ into }) => into)),
];

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
    textArray(messages.map(({ providerMessageId }) => providerMessageId)),
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
    boolArray(messages.map(({ isCommand }) => isCommand)),
    uuidArray(messages.map(({ replyTo }) => replyTo)),
  ];
}

function transitionColumns({ transitions, projectedAtMs }: ProjectionWrite): unknown[] {
  return [
    uuidArray(transitions.map(({ event }) => event.tenantId)),
    uuidArray(transitions.map(({ event }) => event.eventId)),
    uuidArray(transitions.map(({ messageId, mentions }) => messageId ?? mentions)),
    textArray(transitions.map(({ fromState }) => fromState)),
    textArray(transitions.map(({ toState }) => toState)),
    textArray(transitions.map(({ effect }) => effect)),
    boolArray(transitions.map(({ isApplied }) => isApplied)),
    textArray(transitions.map(({ conversation }) => conversation?.from ?? '')),
    textArray(transitions.map(({ conversation }) => conversation?.to ?? '')),
    timeArray(transitions.map(({ event }) => event.occurredAtMs)),
    timeArray(transitions.map(({ event }) => event.receivedAtMs)),
    new Date(projectedAtMs).toISOString(),
  ];
}
