import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { ConsentSignal, SignalKind } from '../domain/consent-state.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { personKey, personLock, type Person } from '../domain/person.js';

/** Signals of one transaction. */
export const SIGNALS_MAX = 512;

interface Row {
  readonly signal_id: string;
  readonly tenant_id: string;
}

const insert = new BatchInsert<ObservedSignal, Row>({
  name: 'consent_signal',
  into: 'compliance.consent_signal',
  columns: [
    { name: 'tenant_id', type: 'uuid' },
    { name: 'signal_id', type: 'uuid' },
    { name: 'person_hash', type: 'bytea' },
    { name: 'kind', type: 'text' },
    { name: 'signaled_at', type: 'timestamptz' },
    { name: 'channel', type: 'text' },
    { name: 'provider', type: 'text' },
    { name: 'event_id', type: 'uuid' },
    { name: 'actor_id', type: 'text' },
  ],
  suffix: 'ON CONFLICT (tenant_id, signal_id) DO NOTHING RETURNING tenant_id, signal_id',
  rowsMax: SIGNALS_MAX,
});

/** The history of consent: append-only. */
export class ConsentStore {
  /**
   * Locks these persons until the transaction ends, in one order for everybody.
   * A statement that follows sees what the one before us committed.
   */
  async lockPersons(tx: Tx, persons: readonly Person[]): Promise<void> {
    const locks = [...new Set(persons.map(personLock))].sort((a, b) => (a < b ? -1 : 1));
    await tx.query(
      {
        name: 'lock_persons',
        text: 'SELECT pg_advisory_xact_lock(lock) FROM unnest($1::bigint[]) AS lock',
      },
      [locks.map(String)],
    );
  }

  /** Records signals. @returns those that were not known. */
  async record(tx: Tx, signals: readonly ObservedSignal[]): Promise<ObservedSignal[]> {
    const rows = await insert.run(tx, signals, (signal) => [
      signal.person.tenantId,
      signal.id,
      signal.person.hash,
      signal.kind,
      new Date(signal.atMs),
      signal.channel,
      signal.provider,
      signal.eventId ?? null,
      signal.actorId,
    ]);
    const added = new Set(rows.map((row) => `${row.tenant_id}:${row.signal_id}`));
    // The same event may be there twice, by two facts: it is new once.
    return signals.filter((signal) => added.delete(`${signal.person.tenantId}:${signal.id}`));
  }

  /** Records that a member of staff took the opt-outs up to that time back. */
  async recordLift(
    tx: Tx,
    lift: {
      readonly id: string;
      readonly person: Person;
      readonly atMs: number;
      readonly actorId: string;
      readonly note: string;
    },
  ): Promise<void> {
    await tx.query(
      {
        name: 'record_lift',
        text: `INSERT INTO compliance.consent_signal
                 (tenant_id, signal_id, person_hash, kind, signaled_at, channel, provider, actor_id, note)
               VALUES ($1, $2, $3, 'lift', $4, '', '', $5, $6)`,
      },
      [lift.person.tenantId, lift.id, lift.person.hash, new Date(lift.atMs), lift.actorId, lift.note],
    );
  }

  /** The last signal of each kind of each person, by `personKey`. Consent follows from these alone. */
  async lastSignals(tx: Tx, persons: readonly Person[]): Promise<Map<string, ConsentSignal[]>> {
    const { rows } = await tx.query<{ n: string; kind: SignalKind; signal_id: string; signaled_at: Date }>(
      {
        name: 'last_signals',
        text: `SELECT person.n, kind.kind, last.signal_id, last.signaled_at
               FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS person (tenant_id, person_hash, n)
               CROSS JOIN (VALUES ('opt_out'), ('opt_in'), ('lift')) AS kind (kind)
               CROSS JOIN LATERAL (
                 SELECT signal_id, signaled_at FROM compliance.consent_signal AS signal
                 WHERE signal.tenant_id = person.tenant_id AND signal.person_hash = person.person_hash
                   AND signal.kind = kind.kind
                 ORDER BY signaled_at DESC, signal_id DESC LIMIT 1) AS last`,
      },
      [persons.map(({ tenantId }) => tenantId), persons.map(({ hash }) => hash)],
    );
    const signals = new Map<string, ConsentSignal[]>(persons.map((person) => [personKey(person), []]));
    for (const { n, kind, signal_id, signaled_at } of rows) {
      const person = persons[Number(n) - 1]!;
      signals.get(personKey(person))!.push({ id: signal_id, kind, atMs: signaled_at.getTime() });
    }
    return signals;
  }
}
