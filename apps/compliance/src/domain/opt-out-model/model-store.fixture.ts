import type { ObservedSignal } from '../observed-signal.js';
import { personKey, personLock, type Person } from '../person.js';
import type { ScopedSignal } from '../person-consent.js';
import type { Suppression } from '../suppression.js';

/** A row of `compliance.permit`; times on the store's clock. */
export interface PermitRow {
  readonly person: Person;
  readonly expiresAtMs: number;
  readonly isClosed: boolean;
}

/** Everything that is committed, at one moment. It is never changed: a snapshot is the value itself. */
export interface Rows {
  /** Opt-outs in the log, by their dedup key; each is in once. */
  readonly log: ReadonlyMap<string, ObservedSignal>;
  readonly pending: ReadonlyMap<string, ObservedSignal>;
  /** IDs of signals that are recorded. */
  readonly recorded: ReadonlySet<string>;
  /** By `personKey`. */
  readonly counting: ReadonlyMap<string, readonly ScopedSignal[]>;
  readonly suppressions: ReadonlyMap<string, readonly Suppression[]>;
  readonly permits: ReadonlyMap<string, PermitRow>;
  readonly links: readonly (readonly Person[])[];
}

/** The person, and those linked. */
export const groupOf = ({ links }: Rows, person: Person): readonly Person[] =>
  links.find((group) => group.some((one) => personKey(one) === personKey(person))) ?? [person];

export const isOpen = ({ permits }: Rows, id: string, atMs: number): boolean => {
  const permit = permits.get(id)!;
  return !permit.isClosed && permit.expiresAtMs > atMs;
};

/** @param atMs on the store's clock. */
export function openPermitsOf(rows: Rows, hasLinked: boolean, person: Person, atMs: number): string[] {
  const group = (hasLinked ? groupOf(rows, person) : [person]).map(personKey);
  return [...rows.permits]
    .filter(([id, permit]) => group.includes(personKey(permit.person)) && isOpen(rows, id, atMs))
    .map(([id]) => id);
}

export const locksOf = (persons: readonly Person[]): bigint[] =>
  [...new Set(persons.map(personLock))].sort((a, b) => (a < b ? -1 : 1));

/** A moment at which somebody else may run; with a condition: not to go on before it holds. */
export type Steps<Result = void> = Generator<(() => boolean) | undefined, Result, void>;

type Mode = 'shared' | 'exclusive';

/**
 * What the promise takes from Postgres, and no more: a statement sees what was committed when it began and what its own
 * transaction wrote (READ COMMITTED); a commit is visible at once and as a whole, then its locks are free; whoever
 * dies leaves nothing.
 */
export class ModelStore {
  rows: Rows;
  private readonly open = new Map<ModelTx, string>();

  constructor(rows: Rows) {
    this.rows = rows;
  }

  begin(process: string): ModelTx {
    const tx = new ModelTx(this);
    this.open.set(tx, process);
    return tx;
  }

  /** Ends the transactions of a process, or all of them. */
  abort(process?: string): void {
    for (const [tx, owner] of this.open) if (process === undefined || owner === process) this.open.delete(tx);
  }

  end(tx: ModelTx): void {
    this.open.delete(tx);
  }

  isOpen(tx: ModelTx): boolean {
    return this.open.has(tx);
  }

  isFree(lock: bigint, mode: Mode, asking: ModelTx): boolean {
    return [...this.open.keys()].every((tx) => {
      const held = tx === asking ? undefined : tx.held.get(lock);
      return held === undefined || (held === 'shared' && mode === 'shared');
    });
  }
}

/** One transaction; without locks and with one write it is a statement of its own. */
export class ModelTx {
  readonly held = new Map<bigint, Mode>();
  private readonly writes: ((rows: Rows) => Partial<Rows>)[] = [];

  constructor(private readonly store: ModelStore) {}

  /** What a statement that begins now sees. */
  read(): Rows {
    return this.applied(this.store.rows);
  }

  write(change: (rows: Rows) => Partial<Rows>): void {
    this.writes.push(change);
  }

  /** One after the other, in the order of their numbers. */
  *lock(locks: readonly bigint[], mode: Mode): Steps {
    for (const lock of locks) {
      yield () => this.store.isFree(lock, mode, this);
      this.held.set(lock, mode);
    }
  }

  /** The same, but nobody waits. @returns whether it has them. */
  tryLock(locks: readonly bigint[], mode: Mode): boolean {
    const isFree = locks.every((lock) => this.store.isFree(lock, mode, this));
    if (isFree) for (const lock of locks) this.held.set(lock, mode);
    return isFree;
  }

  /** False: its process or the store has died. */
  get isOpen(): boolean {
    return this.store.isOpen(this);
  }

  commit(): void {
    this.store.rows = this.applied(this.store.rows);
    this.store.end(this);
  }

  rollback(): void {
    this.store.end(this);
  }

  private applied(rows: Rows): Rows {
    return this.writes.reduce((seen, change) => ({ ...seen, ...change(seen) }), rows);
  }
}

/** A copy of a map with one more entry. */
export const withEntry = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> =>
  new Map(map).set(key, value);

export const without = <K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> => {
  const left = new Map(map);
  left.delete(key);
  return left;
};
