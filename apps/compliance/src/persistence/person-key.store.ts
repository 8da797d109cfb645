import type { Tx } from '@posthorn/postgres/database.js';
import { logHashOf, personLock, type Person } from '../domain/person.js';
import { AS_THE_LOG, isSameKey, type KeptUnder, type PersonKeys } from '../domain/person-keys.js';

/** Every table that names persons, but for opt-outs that wait: these are named as the log names them, for moments. */
const TABLES = [
  ...['suppression', 'consent_signal', 'consent_proof', 'person', 'person_link', 'review'],
  ...['decision', 'permit', 'mail_delivery', 'outgoing'],
];
export const MOVE_STEPS = TABLES.length;

const MOVES = TABLES.map((table) => ({
  name: `move_${table}`,
  text: `UPDATE compliance.${table} AS row SET person_hash = moved.new${table === 'person_link' ? ', lock = moved.lock' : ''}
         FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bigint[]) AS moved (tenant_id, old, new, lock)
         WHERE row.tenant_id = moved.tenant_id AND row.person_hash = moved.old`,
}));
const UNMOVED = TABLES.map((table) => ({
  name: `unmoved_${table}`,
  text: `SELECT DISTINCT row.person_hash AS hash FROM compliance.${table} AS row
         WHERE row.tenant_id = $1 AND row.person_hash > $2
           AND NOT EXISTS (SELECT FROM compliance.moved_person AS moved
             WHERE moved.tenant_id = row.tenant_id AND moved.person_hash = row.person_hash)
         ORDER BY row.person_hash LIMIT $3`,
}));

const CLEAR = `DELETE FROM compliance.moved_person AS moved USING compliance.person_key AS kept
  WHERE kept.tenant_id = $1 AND moved.tenant_id = $1 AND kept.destroyed_at IS NOT NULL`;

/** Where the move of one tenant's persons is. */
export interface Move {
  readonly former: number;
  readonly step: number;
  readonly after: Buffer;
}

/** A change of a tenant's key. Times are Unix milliseconds. */
export interface KeyChange extends KeptUnder {
  readonly moved: number;
  readonly startedAtMs: number;
  readonly completedAtMs: number | undefined;
  readonly isFormerDestroyed: boolean;
  /** Every process has learned by now that everybody has moved. */
  readonly isKnown: boolean;
}

interface ChangeRow {
  readonly tenant_id: string;
  readonly generation: number;
  readonly former: number | null;
  readonly moved: string;
  readonly started_at: Date;
  readonly completed_at: Date | null;
  readonly is_destroyed: boolean;
  readonly is_known: boolean | null;
}

/** Each process looks every second. Who is later says so, and learns it then. */
const KNOWN_AFTER_MS = 5_000;
const CHANGE = `tenant_id, generation, former, moved, started_at, completed_at,
  destroyed_at IS NOT NULL AS is_destroyed,
  completed_at < clock_timestamp() - ${KNOWN_AFTER_MS} * interval '1 millisecond' AS is_known`;

/** Under which key the hashes of persons are kept, and their way from one to the next. */
export class PersonKeyStore {
  constructor(private readonly keys: PersonKeys) {}

  /** Of every tenant whose key was ever changed. */
  async all(db: Pick<Tx, 'query'>): Promise<Map<string, KeyChange>> {
    const text = `SELECT ${CHANGE} FROM compliance.person_key`;
    const { rows } = await db.query<ChangeRow>({ name: 'person_keys', text });
    return new Map(rows.map((row) => [row.tenant_id, changeOf(row)]));
  }

  async find(tx: Pick<Tx, 'query'>, tenantId: string): Promise<KeyChange | undefined> {
    const text = `SELECT ${CHANGE} FROM compliance.person_key WHERE tenant_id = $1`;
    const { rows } = await tx.query<ChangeRow>({ name: 'person_key', text }, [tenantId]);
    return rows.map(changeOf)[0];
  }

  /**
   * Compares what these persons were named by with what holds now. After the lock on their tenants: then it holds until
   * the transaction ends. @throws AppError `data_key.unavailable`.
   */
  async check(tx: Tx, persons: readonly Person[]): Promise<void> {
    const tenants = [...new Set(persons.map(({ tenantId }) => tenantId))];
    const { rows } = await tx.query<{ tenant_id: string; generation: number }>(
      {
        name: 'person_key_generations',
        text: 'SELECT tenant_id, generation FROM compliance.person_key WHERE tenant_id = ANY ($1::uuid[])',
      },
      [tenants],
    );
    const inForce = new Map(rows.map(({ tenant_id, generation }) => [tenant_id, generation]));
    if (persons.some(({ tenantId, generation = 0 }) => generation !== (inForce.get(tenantId) ?? 0)))
      throw this.keys.stale();
  }

  /**
   * Reads rows that name persons of one tenant, wherever they are on their way.
   * @returns the person of each, in order. @throws AppError `data_key.unavailable` when a change comes between.
   */
  async read<Row extends { readonly personHash: Buffer }>(
    tx: Tx,
    tenantId: string,
    read: () => Promise<readonly Row[]>,
  ): Promise<{ readonly row: Row; readonly person: Person }[]> {
    const [before, rows] = await Promise.all([this.find(tx, tenantId), read()]);
    const hashes = rows.map(({ personHash }) => personHash);
    const persons = await this.personsOf(tx, tenantId, hashes, before ?? AS_THE_LOG);
    return rows.map((row, index) => ({ row, person: persons[index]! }));
  }

  /** The same, with each person named as others name it. */
  async named<Row extends { readonly personHash: Buffer }>(
    tx: Tx,
    tenantId: string,
    read: () => Promise<readonly Row[]>,
  ): Promise<Row[]> {
    const found = await this.read(tx, tenantId, read);
    return found.map(({ row, person }) => ({ ...row, personHash: logHashOf(person) }));
  }

  /** @param before what held when these hashes were read. */
  async personsOf(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    hashes: readonly Buffer[],
    before: KeptUnder,
  ): Promise<Person[]> {
    const { rows } = await tx.query<{ generation: number; former: number | null; moved: string[] }>(
      {
        name: 'moved_among',
        text: `SELECT generation, former, ARRAY(
                 SELECT asked.n FROM unnest($2::bytea[]) WITH ORDINALITY AS asked (person_hash, n)
                 JOIN compliance.moved_person AS moved ON moved.tenant_id = $1 AND moved.person_hash = asked.person_hash
               ) AS moved FROM compliance.person_key WHERE tenant_id = $1`,
      },
      [tenantId, hashes],
    );
    const [found] = rows;
    const now = found === undefined ? AS_THE_LOG : keptUnderOf(found);
    if (!isSameKey(now, before) || now.generation !== this.keys.of(tenantId).generation)
      throw this.keys.stale();
    const moved = new Set(found?.moved.map(Number));
    return hashes.map((hash, index) =>
      this.keys.ofRow(tenantId, hash, moved.has(index + 1) ? now.generation : (now.former ?? now.generation)),
    );
  }

  /** Moves all that is known of these persons, unless it has moved. Under the locks on them, former and new. */
  async move(tx: Tx, persons: readonly Person[]): Promise<void> {
    const sorted = [...persons].sort((a, b) => a.hash.compare(b.hash));
    const { rows } = await tx.query<{ tenant_id: string; person_hash: Buffer }>(
      {
        name: 'register_moved',
        text: `INSERT INTO compliance.moved_person (tenant_id, person_hash)
               SELECT moving.tenant_id, person_hash
               FROM unnest($1::uuid[], $2::bytea[]) AS moving (tenant_id, person_hash)
               JOIN compliance.person_key AS kept ON kept.tenant_id = moving.tenant_id AND kept.former IS NOT NULL
               ON CONFLICT DO NOTHING RETURNING tenant_id, person_hash`,
      },
      [sorted.map(({ tenantId }) => tenantId), sorted.map(({ hash }) => hash)],
    );
    const registered = new Set(rows.map((row) => `${row.tenant_id}:${row.person_hash.toString('hex')}`));
    const moving = sorted.filter(({ tenantId, hash }) =>
      registered.has(`${tenantId}:${hash.toString('hex')}`),
    );
    if (moving.length === 0) return;
    const values = [
      moving.map(({ tenantId }) => tenantId),
      moving.map((person) => this.keys.former(person).hash),
      ...[moving.map(({ hash }) => hash), moving.map((person) => String(personLock(person)))],
    ];
    await Promise.all(MOVES.map((statement) => tx.query(statement, values)));
  }

  /** From here on persons move to a new generation. Under the exclusive lock on the tenant. */
  async begin(tx: Tx, tenantId: string, generation: number): Promise<void> {
    // Who came late to the change before: nobody may be taken for moved who has not.
    await tx.query({ name: 'moved_clear', text: CLEAR }, [tenantId]);
    await tx.query(
      {
        name: 'person_key_begin',
        text: `INSERT INTO compliance.person_key AS kept (tenant_id, generation, former) VALUES ($1, $2, 0)
               ON CONFLICT (tenant_id) DO UPDATE SET generation = excluded.generation, former = kept.generation,
                 step = 0, after_hash = '', moved = 0, started_at = clock_timestamp(), completed_at = NULL,
                 destroyed_at = NULL
               WHERE kept.generation < excluded.generation AND kept.destroyed_at IS NOT NULL`,
      },
      [tenantId, generation],
    );
  }

  /** The move of a tenant's persons, for this transaction alone; undefined when there is none, or another has it. */
  async claim(tx: Tx, tenantId: string): Promise<Move | undefined> {
    const { rows } = await tx.query<{ former: number; step: number; after_hash: Buffer }>(
      {
        name: 'person_key_claim',
        text: `SELECT former, step, after_hash FROM compliance.person_key
               WHERE tenant_id = $1 AND former IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED`,
      },
      [tenantId],
    );
    return rows.map(({ former, step, after_hash }) => ({ former, step, after: after_hash }))[0];
  }

  /** Hashes of persons who have not moved, in one table, from where the move is. */
  async unmoved(tx: Tx, tenantId: string, { step, after }: Move, limit: number): Promise<Buffer[]> {
    const { rows } = await tx.query<{ hash: Buffer }>(UNMOVED[step]!, [tenantId, after, limit]);
    return rows.map(({ hash }) => hash);
  }

  async advance(tx: Tx, tenantId: string, to: Omit<Move, 'former'>, moved: number): Promise<void> {
    await tx.query(
      {
        name: 'person_key_advance',
        text: `UPDATE compliance.person_key SET step = $2, after_hash = $3, moved = moved + $4 WHERE tenant_id = $1`,
      },
      [tenantId, to.step, to.after, moved],
    );
  }

  /** Everybody has moved. */
  async complete(tx: Tx, tenantId: string): Promise<void> {
    await tx.query(
      {
        name: 'person_key_complete',
        text: `UPDATE compliance.person_key SET former = NULL, completed_at = clock_timestamp() WHERE tenant_id = $1`,
      },
      [tenantId],
    );
  }

  /** Forgets who has moved, once all have. @returns how many were forgotten. */
  async forgetMoved(db: Pick<Tx, 'query'>, tenantId: string, limit: number): Promise<number> {
    const { rowCount } = await db.query(
      {
        name: 'moved_forget',
        text: `DELETE FROM compliance.moved_person WHERE tenant_id = $1 AND person_hash IN (
                 SELECT person_hash FROM compliance.moved_person WHERE tenant_id = $1 ORDER BY person_hash LIMIT $2)`,
      },
      [tenantId, limit],
    );
    return rowCount;
  }

  /** The former key is destroyed. */
  async destroyed(db: Pick<Tx, 'query'>, tenantId: string, generation: number): Promise<void> {
    await db.query(
      {
        name: 'person_key_destroyed',
        text: `UPDATE compliance.person_key SET destroyed_at = clock_timestamp()
               WHERE tenant_id = $1 AND generation = $2 AND former IS NULL`,
      },
      [tenantId, generation],
    );
  }
}

const keptUnderOf = (row: { readonly generation: number; readonly former: number | null }): KeptUnder => ({
  generation: row.generation,
  former: row.former ?? undefined,
});

const changeOf = (row: ChangeRow): KeyChange => ({
  ...keptUnderOf(row),
  moved: Number(row.moved),
  startedAtMs: row.started_at.getTime(),
  completedAtMs: row.completed_at?.getTime(),
  isFormerDestroyed: row.is_destroyed,
  isKnown: row.is_known === true,
});
