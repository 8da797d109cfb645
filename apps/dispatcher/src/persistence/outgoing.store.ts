import { newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { type CommandIdentity } from '../domain/command.js';
import { type CommandSignal } from '../domain/command-change.js';
import { type CommandState } from '../domain/command-state.js';
import type { DestinationReport } from './destination-report.store.js';

/** What happened to a command, to be told to the log. */
export interface OutgoingEvent {
  readonly command: Pick<
    CommandIdentity,
    | 'tenantId'
    | 'messageId'
    | 'sourceUuid'
    | 'personHash'
    | 'conversationId'
    | 'channel'
    | 'campaign'
    | 'triggerEventId'
    | 'answersEventId'
    | 'traceparent'
  >;
  readonly status: CommandState;
  readonly providerMessageId: string;
  readonly errorCode: string;
  readonly signal: CommandSignal;
  readonly note: string;
  /** Whether the sealed content of the command goes with it. */
  readonly hasContent: boolean;
}

/** One row, with its number. IDs are 16 bytes, empty when there is none. */
export interface NumberedEvent {
  readonly number: bigint;
  readonly eventId: Buffer;
  readonly tenantId: Buffer;
  readonly messageId: Buffer;
  readonly sourceId: Buffer;
  readonly type: string;
  readonly status: string;
  readonly personHash: Buffer;
  readonly conversationHash: Buffer;
  readonly causedBy: Buffer;
  readonly channel: string;
  readonly campaign: string;
  readonly providerMessageId: string;
  readonly errorCode: string;
  readonly signal: string;
  readonly note: string;
  readonly occurredAtMs: number;
  readonly traceparent: string;
  /** Sealed for this event; empty when there is none, or it was erased. */
  readonly content: Buffer;
  readonly dataKeyId: Buffer;
  /** Of a destination that was disabled; empty for everything else. */
  readonly destinationId: Buffer;
}

interface Row {
  readonly number: string;
  readonly event_id: string;
  readonly tenant_id: string;
  readonly message_id: string;
  readonly source_id: string;
  readonly type: string;
  readonly status: string;
  readonly person_hash: Buffer;
  readonly conversation_id: string;
  readonly caused_by: string | null;
  readonly channel: string;
  readonly campaign: string;
  readonly provider_message_id: string;
  readonly error_code: string;
  readonly signal: string;
  readonly note: string;
  readonly occurred_at: Date;
  readonly traceparent: string;
  readonly event_content: Buffer | null;
  readonly data_key_id: string | null;
  readonly destination_id: string | null;
}

const NONE = Buffer.alloc(0);
/** Of what is about no message. */
const NIL = '00000000-0000-0000-0000-000000000000';
const idOf = (uuid: string): Buffer => (uuid === NIL ? NONE : uuidBytes(uuid));
const NOTE_LENGTH_MAX = 200;

/** What the log calls it: an expired message failed, for those who wait for it. */
const typeOf = (status: CommandState): string => `message.${status === 'expired' ? 'failed' : status}`;

/** The ID of the event that tells of a new command: its content is sealed for it. */
export const acceptedEventIdOf = (messageId: Buffer): Buffer => messageId;

/** What is to be told to the log: numbered without gaps, in the transaction of what it tells. */
export class OutgoingStore {
  /**
   * Numbers and adds events. The last statements of their transaction: from here to the commit nobody else can
   * number any.
   */
  async add(tx: Tx, events: readonly OutgoingEvent[], nowMs: number): Promise<void> {
    if (events.length === 0) return;
    const { rows } = await tx.query<{ value: string }>(
      {
        name: 'number_outgoing',
        text: `UPDATE dispatch.outgoing_counter SET value = value + $1 WHERE name = 'numbered' RETURNING value`,
      },
      [events.length],
    );
    const first = BigInt(rows[0]!.value) - BigInt(events.length) + 1n;
    const commands = events.map(({ command }) => command);
    await tx.query(
      {
        name: 'insert_outgoing',
        text: `INSERT INTO dispatch.outgoing (number, event_id, tenant_id, message_id, source_id, type, status,
                 person_hash, conversation_id, caused_by, channel, campaign, provider_message_id, error_code, signal,
                 note, has_content, traceparent, occurred_at)
               SELECT *, $19::timestamptz FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[],
                 $6::text[], $7::text[], $8::bytea[], $9::uuid[], $10::uuid[], $11::text[], $12::text[], $13::text[],
                 $14::text[], $15::text[], $16::text[], $17::boolean[], $18::text[])`,
      },
      [
        events.map((_, index) => String(first + BigInt(index))),
        events.map(({ command, hasContent }) =>
          uuidText(hasContent ? acceptedEventIdOf(command.messageId) : newUuid(nowMs)),
        ),
        commands.map(({ tenantId }) => uuidText(tenantId)),
        commands.map(({ messageId }) => uuidText(messageId)),
        commands.map(({ sourceUuid }) => uuidText(sourceUuid)),
        events.map(({ status }) => typeOf(status)),
        events.map(({ status }) => status),
        commands.map(({ personHash }) => personHash),
        commands.map(({ conversationId }) => uuidText(conversationId)),
        commands.map(({ triggerEventId, answersEventId }) => {
          const cause = triggerEventId.length > 0 ? triggerEventId : answersEventId;
          return cause.length === 0 ? null : uuidText(cause);
        }),
        commands.map(({ channel }) => channel),
        commands.map(({ campaign }) => campaign),
        events.map(({ providerMessageId }) => providerMessageId),
        events.map(({ errorCode }) => errorCode),
        events.map(({ signal }) => signal),
        events.map(({ note }) => note.slice(0, NOTE_LENGTH_MAX)),
        events.map(({ hasContent }) => hasContent),
        commands.map(({ traceparent }) => traceparent),
        new Date(nowMs),
      ],
    );
  }

  /** Numbers and adds the event of a destination that was disabled; as `add`, the last statements. */
  async addDisabled(
    tx: Tx,
    { tenantId, destinationId, reason }: DestinationReport,
    nowMs: number,
  ): Promise<void> {
    await tx.query(
      {
        name: 'insert_outgoing_disabled',
        text: `WITH next AS (
            UPDATE dispatch.outgoing_counter SET value = value + 1 WHERE name = 'numbered' RETURNING value)
          INSERT INTO dispatch.outgoing (number, event_id, tenant_id, message_id, source_id, type, status,
            person_hash, conversation_id, channel, campaign, provider_message_id, error_code, signal,
            note, has_content, traceparent, occurred_at, destination_id)
          SELECT value, $1::uuid, $2::uuid, $3::uuid, $3::uuid, 'destination.disabled', 'disabled',
            '', $3::uuid, '', '', '', $4::text, '', '', false, '', $5::timestamptz, $6::uuid FROM next`,
      },
      [uuidText(newUuid(nowMs)), tenantId, NIL, reason, new Date(nowMs), destinationId],
    );
  }

  /** Numbers given and numbers relayed. */
  async counters(tx: Pick<Tx, 'query'>): Promise<{ numbered: bigint; relayed: bigint }> {
    const { rows } = await tx.query<{ numbered: string; relayed: string }>({
      name: 'outgoing_counters',
      text: `SELECT (SELECT value FROM dispatch.outgoing_counter WHERE name = 'numbered') AS numbered,
                    (SELECT value FROM dispatch.outgoing_counter WHERE name = 'relayed') AS relayed`,
    });
    return { numbered: BigInt(rows[0]!.numbered), relayed: BigInt(rows[0]!.relayed) };
  }

  /** The events after a number, in order. */
  async page(tx: Pick<Tx, 'query'>, after: bigint, limit: number): Promise<NumberedEvent[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'outgoing_page',
        text: `SELECT o.number, o.event_id, o.tenant_id, o.message_id, o.source_id, o.type, o.status, o.person_hash,
                 o.conversation_id, o.caused_by, o.channel, o.campaign, o.provider_message_id, o.error_code, o.signal,
                 o.note, o.occurred_at, o.traceparent, o.destination_id, c.event_content, c.data_key_id
               FROM dispatch.outgoing o LEFT JOIN dispatch.command_content c
                 ON o.has_content AND c.tenant_id = o.tenant_id AND c.message_id = o.message_id
               WHERE o.number > $1 ORDER BY o.number LIMIT $2`,
      },
      [String(after), limit],
    );
    return rows.map(eventOf);
  }

  /** Everything up to that number is in the log: its rows go. Never goes back. */
  async relayed(tx: Tx, through: bigint): Promise<void> {
    await Promise.all([
      tx.query(
        {
          name: 'outgoing_relayed',
          text: `UPDATE dispatch.outgoing_counter SET value = $1 WHERE name = 'relayed' AND value < $1`,
        },
        [String(through)],
      ),
      tx.query({ name: 'outgoing_delete', text: 'DELETE FROM dispatch.outgoing WHERE number <= $1' }, [
        String(through),
      ]),
    ]);
  }
}

const eventOf = (row: Row): NumberedEvent => ({
  number: BigInt(row.number),
  eventId: uuidBytes(row.event_id),
  tenantId: uuidBytes(row.tenant_id),
  messageId: idOf(row.message_id),
  sourceId: idOf(row.source_id),
  type: row.type,
  status: row.status,
  personHash: row.person_hash,
  conversationHash: idOf(row.conversation_id),
  causedBy: row.caused_by === null ? NONE : uuidBytes(row.caused_by),
  channel: row.channel,
  campaign: row.campaign,
  providerMessageId: row.provider_message_id,
  errorCode: row.error_code,
  signal: row.signal,
  note: row.note,
  occurredAtMs: row.occurred_at.getTime(),
  traceparent: row.traceparent,
  content: row.event_content ?? NONE,
  dataKeyId: row.data_key_id === null ? NONE : uuidBytes(row.data_key_id),
  destinationId: row.destination_id === null ? NONE : uuidBytes(row.destination_id),
});
