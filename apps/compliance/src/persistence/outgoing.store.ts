import { uuidBytes } from '@posthorn/clock/id.js';
import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { ConsentStatus } from '../domain/consent-state.js';
import { distinctPersons, personKey, type Person } from '../domain/person.js';
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

const insert = new BatchInsert<{ readonly event: OutgoingEvent; readonly index: number }>({
  name: 'insert_outgoing',
  into: 'compliance.outgoing',
  columns: [
    { name: 'number', type: 'bigint' },
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
  ],
  rowsMax: ADDED_MAX,
});

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
    // One round trip: whoever is to number next waits for this transaction from here on.
    const [told, { rows }] = await Promise.all([
      this.lastTold(tx, distinctPersons(events.map(({ person }) => person))),
      tx.query<{ value: string }>(
        {
          name: 'number_outgoing',
          text: `UPDATE compliance.outgoing_counter SET value = value + $1 WHERE name = 'numbered' RETURNING value`,
        },
        [events.length],
      ),
    ]);
    const times = placed(events, told);
    const first = BigInt(rows[0]!.value) - BigInt(events.length) + 1n;
    const numbered = events.map((event, index) => ({ event, index }));
    await insert.run(tx, numbered, ({ event, index }) => [
      ...[String(first + BigInt(index)), event.eventId, event.person.tenantId, event.type],
      ...[event.person.hash, event.channel, event.causeId, event.isCausedByEvent],
      ...[new Date(times[index]!), event.traceparent, event.status],
      event.isUnverified === true,
    ]);
  }

  /** When, of what was told of these persons, the latest was; by `personKey`. */
  private async lastTold(tx: Tx, persons: readonly Person[]): Promise<Map<string, number>> {
    const { rows } = await tx.query<{ n: string; occurred_at: Date }>(
      {
        name: 'last_told',
        text: `SELECT asked.n, told.occurred_at
               FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS asked (tenant_id, person_hash, n)
               CROSS JOIN LATERAL (
                 SELECT occurred_at FROM compliance.outgoing
                 WHERE outgoing.tenant_id = asked.tenant_id AND outgoing.person_hash = asked.person_hash
                 ORDER BY occurred_at DESC LIMIT 1) AS told`,
      },
      [persons.map(({ tenantId }) => tenantId), persons.map(({ hash }) => hash)],
    );
    return new Map(
      rows.map(({ n, occurred_at }) => [personKey(persons[Number(n) - 1]!), occurred_at.getTime()]),
    );
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
function placed(events: readonly OutgoingEvent[], lastTold: ReadonlyMap<string, number>): number[] {
  const last = new Map(lastTold);
  return events.map(({ person, occurredAtMs }) => {
    const atMs = Math.max(occurredAtMs, (last.get(personKey(person)) ?? -Infinity) + 1);
    last.set(personKey(person), atMs);
    return atMs;
  });
}
