import type { Tx } from '@posthorn/postgres/database.js';
import { distinctPersons, personKey, personKeyLock, personLock, type Person } from '../domain/person.js';
import {
  scopedSignal,
  storedSignal,
  type ScopedSignal,
  type StoredSignal,
} from '../domain/person-consent.js';
import type { PersonKeys } from '../domain/person-keys.js';
import type { PersonKeyStore } from './person-key.store.js';

/** Persons of one group; a further one is refused. */
export const LINKED_MAX = 32;

const LOCK = {
  name: 'lock_persons',
  text: `SELECT CASE WHEN is_shared THEN pg_advisory_xact_lock_shared(lock)::text
           ELSE pg_advisory_xact_lock(lock)::text END
         FROM unnest($1::bigint[], $2::boolean[]) AS wanted (lock, is_shared)`,
};
/** The locks of persons and of those linked with them. */
const GROUP_LOCKS = `SELECT lock FROM unnest($1::bigint[]) AS lock
  UNION
  SELECT linked.lock FROM unnest($2::uuid[], $3::bytea[]) AS person (tenant_id, person_hash)
  JOIN compliance.person_link AS own USING (tenant_id, person_hash)
  JOIN compliance.person_link AS linked USING (tenant_id, group_id)`;

/** What still counts of persons' signals, which addresses reach the same person, and the locks on both. */
export class PersonStore {
  constructor(
    private readonly keys: PersonKeys,
    private readonly keyStore: PersonKeyStore,
  ) {}

  /**
   * Locks these persons until the transaction ends, in one order for everybody.
   * A statement that follows sees what the one before us committed; of persons that move, only once this is awaited.
   * @throws AppError `data_key.unavailable` when they were named by a key that is no longer in force.
   */
  async lock(tx: Tx, persons: readonly Person[]): Promise<void> {
    const moving = this.movingAmong(persons);
    const former = moving.map((person) => this.keys.former(person));
    await Promise.all([
      tx.query(LOCK, lockValues([...persons, ...former])),
      this.keyStore.check(tx, persons),
    ]);
    if (moving.length > 0) await this.keyStore.move(tx, moving);
  }

  /**
   * Makes sure that what is known of these persons is where they are looked for. Nothing, unless a key is changed now.
   * Whoever only reads them, or locks them shared, does it in a transaction before.
   */
  async settle(tx: Tx, persons: readonly Person[]): Promise<void> {
    const moving = this.movingAmong(persons);
    if (moving.length > 0) await this.lock(tx, moving);
  }

  movingAmong(persons: readonly Person[]): Person[] {
    return distinctPersons(persons.filter((person) => this.keys.isMoving(person)));
  }

  /** Waits until nobody names persons of a tenant by the key before, and holds up who begins to. */
  async lockKey(tx: Tx, tenantId: string): Promise<void> {
    const text = 'SELECT pg_advisory_xact_lock($1::bigint)';
    await tx.query({ name: 'lock_person_key', text }, [String(personKeyLock(tenantId))]);
  }

  /**
   * Locks these persons and those linked with them against change.
   * @returns the locks that were taken: who is linked meanwhile has none of them.
   * Why the sort inside: whoever takes several of these locks takes them in the same order.
   */
  async lockShared(tx: Tx, persons: readonly Person[]): Promise<Set<bigint>> {
    const keyLocks = [...new Set(persons.map(({ tenantId }) => tenantId))].map(personKeyLock).map(String);
    const [locks, ...columns] = groupValues(persons);
    const [{ rows }] = await Promise.all([
      tx.query<{ lock: string }>(
        {
          name: 'lock_persons_shared',
          text: `SELECT lock, pg_advisory_xact_lock_shared(lock) FROM (${GROUP_LOCKS} ORDER BY lock) AS sorted`,
        },
        [[...locks, ...keyLocks], ...columns],
      ),
      this.keyStore.check(tx, persons),
    ]);
    return new Set(rows.map(({ lock }) => BigInt(lock)));
  }

  /**
   * Lets one transaction at a time count the marketing messages of these persons and those linked: two permits
   * at once must not both be the last one that a cap allows. After all other locks; their numbers, inverted.
   */
  async lockMarketing(tx: Tx, persons: readonly Person[]): Promise<void> {
    await tx.query(
      {
        name: 'lock_marketing',
        text: `SELECT pg_advisory_xact_lock(~lock) FROM (${GROUP_LOCKS} ORDER BY lock) AS sorted`,
      },
      groupValues(persons),
    );
  }

  /** What still counts of these persons' signals, by `personKey`. */
  async signals(tx: Tx, persons: readonly Person[]): Promise<Map<string, ScopedSignal[]>> {
    const { rows } = await tx.query<{ n: string; signals: StoredSignal[] }>(
      {
        name: 'signals_of_persons',
        text: `SELECT asked.n, person.signals
               FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS asked (tenant_id, person_hash, n)
               JOIN compliance.person USING (tenant_id, person_hash)`,
      },
      columnsOf(persons),
    );
    const found = new Map<string, ScopedSignal[]>(persons.map((person) => [personKey(person), []]));
    for (const { n, signals } of rows)
      found.set(personKey(persons[Number(n) - 1]!), signals.map(scopedSignal));
    return found;
  }

  /** Replaces what counts. @param signals by person, reduced. */
  async saveSignals(
    tx: Tx,
    changed: readonly { readonly person: Person; readonly signals: readonly ScopedSignal[] }[],
  ): Promise<void> {
    if (changed.length === 0) return;
    await tx.query(
      {
        name: 'save_signals',
        text: `INSERT INTO compliance.person (tenant_id, person_hash, signals)
               SELECT tenant_id, person_hash, signals::jsonb
               FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS person (tenant_id, person_hash, signals)
               ON CONFLICT (tenant_id, person_hash) DO UPDATE SET signals = excluded.signals`,
      },
      [
        ...columnsOf(changed.map(({ person }) => person)),
        changed.map(({ signals }) => JSON.stringify(signals.map(storedSignal))),
      ],
    );
  }

  /** The person's group, itself first. */
  async linked(tx: Tx, person: Person): Promise<Person[]> {
    const statement = {
      name: 'linked_persons',
      text: `SELECT linked.person_hash AS "personHash" FROM compliance.person_link AS own
               JOIN compliance.person_link AS linked USING (tenant_id, group_id)
               WHERE own.tenant_id = $1 AND own.person_hash = $2 AND linked.person_hash <> $2
               ORDER BY linked.person_hash`,
    };
    const others = await this.keyStore.read(tx, person.tenantId, async () => {
      const { rows } = await tx.query<{ personHash: Buffer }>(statement, [person.tenantId, person.hash]);
      return rows;
    });
    return [person, ...others.map((other) => other.person)];
  }

  /** Puts persons in one group, whatever group they were in. */
  async link(
    tx: Tx,
    persons: readonly Person[],
    group: { readonly id: string; readonly actorId: string; readonly atMs: number },
  ): Promise<void> {
    await tx.query(
      {
        name: 'link_persons',
        text: `INSERT INTO compliance.person_link (tenant_id, person_hash, group_id, lock, actor_id, linked_at)
               SELECT tenant_id, person_hash, $3, lock, $5, $6
               FROM unnest($1::uuid[], $2::bytea[], $4::bigint[]) AS person (tenant_id, person_hash, lock)
               ON CONFLICT (tenant_id, person_hash) DO UPDATE SET group_id = excluded.group_id`,
      },
      [
        ...columnsOf(persons),
        ...[group.id, persons.map((person) => String(personLock(person)))],
        ...[group.actorId, new Date(group.atMs)],
      ],
    );
  }
}

const columnsOf = (persons: readonly Person[]): [string[], Buffer[]] => [
  persons.map(({ tenantId }) => tenantId),
  persons.map(({ hash }) => hash),
];

const groupValues = (persons: readonly Person[]): [string[], string[], Buffer[]] => [
  persons.map((person) => String(personLock(person))),
  ...columnsOf(persons),
];

/** Persons in one order; the keys of their tenants shared. */
function lockValues(persons: readonly Person[]): [string[], boolean[]] {
  const keyLocks = new Set(persons.map(({ tenantId }) => personKeyLock(tenantId)));
  const locks = [...new Set([...keyLocks, ...persons.map(personLock)])].sort((a, b) => (a < b ? -1 : 1));
  return [locks.map(String), locks.map((lock) => keyLocks.has(lock))];
}
