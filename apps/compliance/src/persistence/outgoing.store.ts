import { uuidBytes } from '@posthorn/clock/id.js';
import { unnest } from '@posthorn/postgres/batch-insert.js';
import { columnArrays } from '@posthorn/postgres/column-array.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import type { ConsentStatus } from '../domain/consent-state.js';
import { personKey, type Person } from '../domain/person.js';
import type { OutgoingType } from '../domain/suppression-plan.js';

/** Something this service did, to be told to the log. */
export interface OutgoingEvent {
  readonly person: Person;
  readonly type: OutgoingType;
  /** UUID texts. */
  readonly eventId: string;
  readonly causeId: string;
  readonly isCausedByEvent: boolean;
  /** Empty for all. */
  readonly channel: string;
  /** Where the person stands now, there. */
  readonly status: ConsentStatus;
  readonly occurredAtMs: number;
  readonly traceparent: string;
  /** Nobody vouches for the event that caused it. */
  readonly isUnverified?: boolean | undefined;
}

/** One row, with its number. IDs are 16 bytes. */
export interface NumberedEvent {
  readonly number: bigint;
  readonly eventId: Buffer;
  readonly tenantId: Buffer;
  readonly type: string;
  readonly personHash: Buffer;
  readonly channel: string;
  readonly status: string;
  /** Empty when a member of staff caused it. */
  readonly causedBy: Buffer;
  readonly occurredAtMs: number;
  readonly traceparent: string;
  readonly isUnverified: boolean;
}

interface Row {
  readonly number: string;
  readonly event_id: string;
  readonly tenant_id: string;
  readonly type: string;
  readonly person_hash: Buffer;
  readonly channel: string;
  readonly status: string;
  readonly cause_id: string;
  readonly is_caused_by_event: boolean;
  readonly occurred_at: Date;
  readonly traceparent: string;
  readonly is_unverified: boolean;
}

/** Events of one transaction. */
const ADDED_MAX = 4_096;
const NONE = Buffer.alloc(0);

/** Of an event as it is added; `turn` counts those of its person in the batch, from 1. */
const COLUMNS = [
  { name: 'event_id', type: 'uuid' },
  { name: 'tenant_id', type: 'uuid' },
  { name: 'type', type: 'text' },
  { name: 'person_hash', type: 'bytea' },
  { name: 'channel', type: 'text' },
  { name: 'cause_id', type: 'uuid' },
  { name: 'is_caused_by_event', type: 'boolean' },
  { name: 'occurred_at', type: 'timestamptz' },
  { name: 'traceparent', type: 'text' },
  { name: 'status', type: 'text' },
  { name: 'is_unverified', type: 'boolean' },
  { name: 'turn', type: 'int' },
] as const;
const TYPES = COLUMNS.map(({ type }) => type);

/**
 * Numbers the events in their order and adds them, none of a person's before what was told of it.
 * Why one statement: all who tell something wait for each other from the number to the commit.
 */
const ADD: Statement = {
  name: 'add_outgoing',
  text: `WITH counted AS (
      UPDATE compliance.outgoing_counter SET value = value + $${COLUMNS.length + 1}::bigint WHERE name = 'numbered'
      RETURNING value - $${COLUMNS.length + 1}::bigint AS before)
    INSERT INTO compliance.outgoing (number, event_id, tenant_id, type, person_hash, channel, cause_id,
      is_caused_by_event, occurred_at, traceparent, status, is_unverified)
    SELECT counted.before + added.place, added.event_id, added.tenant_id, added.type, added.person_hash, added.channel,
      added.cause_id, added.is_caused_by_event,
      GREATEST(added.occurred_at, told.occurred_at + added.turn * interval '1 millisecond'),
      added.traceparent, added.status, added.is_unverified
    FROM ${unnest(COLUMNS)} WITH ORDINALITY AS added (${COLUMNS.map(({ name }) => name).join(', ')}, place)
    CROSS JOIN counted
    LEFT JOIN LATERAL (
      SELECT occurred_at FROM compliance.outgoing
      WHERE outgoing.tenant_id = added.tenant_id AND outgoing.person_hash = added.person_hash
      ORDER BY occurred_at DESC LIMIT 1) AS told ON true`,
};

/** What is to be told to the log: numbered without gaps, in the transaction of what it tells. */
export class OutgoingStore {
  /**
   * Numbers and adds events of persons that the transaction has locked. The last thing it does: from here to the
   * commit nobody else can number any.
   * None of a person's is told as older than what was told before: of two, readers of the log believe the later one,
   * and a signal may come to be known late.
   */
  async add(tx: Tx, events: readonly OutgoingEvent[]): Promise<void> {
    if (events.length === 0) return;
    if (events.length > ADDED_MAX) throw new Error('too many events of one transaction');
    const rows = placed(events).map(({ event, atMs, turn }) => [
      ...[event.eventId, event.person.tenantId, event.type, event.person.hash, event.channel],
      ...[event.causeId, event.isCausedByEvent, atMs, event.traceparent, event.status],
      ...[event.isUnverified === true, turn],
    ]);
    await tx.query(ADD, [...columnArrays(TYPES, rows), String(events.length)]);
  }

  /** Numbers given and numbers relayed. */
  async counters(tx: Pick<Tx, 'query'>): Promise<{ numbered: bigint; relayed: bigint }> {
    const { rows } = await tx.query<{ numbered: string; relayed: string }>({
      name: 'outgoing_counters',
      text: `SELECT (SELECT value FROM compliance.outgoing_counter WHERE name = 'numbered') AS numbered,
                    (SELECT value FROM compliance.outgoing_counter WHERE name = 'relayed') AS relayed`,
    });
    return { numbered: BigInt(rows[0]!.numbered), relayed: BigInt(rows[0]!.relayed) };
  }

  /** The events after a number, in order. */
  async page(tx: Pick<Tx, 'query'>, after: bigint, limit: number): Promise<NumberedEvent[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'outgoing_page',
        text: `SELECT number, event_id, tenant_id, type, person_hash, channel, cause_id, is_caused_by_event,
                      occurred_at, traceparent, status, is_unverified
               FROM compliance.outgoing WHERE number > $1 ORDER BY number LIMIT $2`,
      },
      [String(after), limit],
    );
    return rows.map((row) => ({
      number: BigInt(row.number),
      eventId: uuidBytes(row.event_id),
      tenantId: uuidBytes(row.tenant_id),
      type: row.type,
      personHash: row.person_hash,
      channel: row.channel,
      status: row.status,
      causedBy: row.is_caused_by_event ? uuidBytes(row.cause_id) : NONE,
      occurredAtMs: row.occurred_at.getTime(),
      traceparent: row.traceparent,
      isUnverified: row.is_unverified,
    }));
  }

  /** Everything up to that number is in the log. Never goes back. */
  async relayed(tx: Pick<Tx, 'query'>, through: bigint): Promise<void> {
    await tx.query(
      {
        name: 'outgoing_relayed',
        text: `UPDATE compliance.outgoing_counter SET value = $1 WHERE name = 'relayed' AND value < $1`,
      },
      [String(through)],
    );
  }
}

/** The time of each event, in order: after those of the same person before it. */
function placed(
  events: readonly OutgoingEvent[],
): { readonly event: OutgoingEvent; readonly atMs: number; readonly turn: number }[] {
  const last = new Map<string, { readonly atMs: number; readonly turn: number }>();
  return events.map((event) => {
    const key = personKey(event.person);
    const { atMs, turn } = last.get(key) ?? { atMs: -Infinity, turn: 0 };
    const place = { atMs: Math.max(event.occurredAtMs, atMs + 1), turn: turn + 1 };
    last.set(key, place);
    return { event, atMs: place.atMs, turn: place.turn };
  });
}
