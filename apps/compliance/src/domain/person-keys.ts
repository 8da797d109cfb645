import { keptHash, openKeptHash } from '@posthorn/crypto/kept-hash.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Person } from './person.js';

/** Under which key the hashes of a tenant's persons are kept. Generation 0: as the log has them. */
export interface KeptUnder {
  readonly generation: number;
  /** While persons move: where those are who have not moved yet. */
  readonly former: number | undefined;
}

export const AS_THE_LOG: KeptUnder = { generation: 0, former: undefined };

export const isSameKey = (one: KeptUnder, other: KeptUnder): boolean =>
  one.generation === other.generation && one.former === other.former;

/** Gives a key of a tenant; `gone` when the tenant is, undefined when the key is not in memory. */
export type PersonKeyOf = (tenantId: string, generation: number) => Buffer | 'gone' | undefined;

/**
 * Turns the hash by which the log knows a person into the one by which this service keeps it, and back.
 * What it has learned of the database may be old: whoever locks a person compares, in the transaction.
 */
export class PersonKeys {
  private known: ReadonlyMap<string, KeptUnder> = new Map();

  /** @param onStale what was learned has turned out to be old. */
  constructor(
    private readonly keyOf: PersonKeyOf,
    private onStale: () => void = () => {},
  ) {}

  /** What the database says, of every tenant whose key was ever changed. */
  learn(known: ReadonlyMap<string, KeptUnder>): void {
    this.known = known;
  }

  whenStale(act: () => void): void {
    this.onStale = act;
  }

  of(tenantId: string): KeptUnder {
    return this.known.get(tenantId) ?? AS_THE_LOG;
  }

  /** The person that the log knows by a hash. @throws AppError `data_key.unavailable`. */
  person(tenantId: string, logHash: Buffer): Person {
    const { generation } = this.of(tenantId);
    return { tenantId, hash: this.kept(tenantId, logHash, generation), logHash, generation };
  }

  /** The person of a row. @param generation under which the row is. @throws AppError `data_key.unavailable`. */
  ofRow(tenantId: string, hash: Buffer, generation: number): Person {
    return this.person(tenantId, this.opened(tenantId, hash, generation));
  }

  /** Whether persons of a tenant can be named now: their key is in memory, or there is none. */
  canName(tenantId: string): boolean {
    const { generation } = this.of(tenantId);
    return generation === 0 || this.keyOf(tenantId, generation) !== undefined;
  }

  /** Whether rows of the person may be where it was before. */
  isMoving(person: Person): boolean {
    const { generation, former } = this.of(person.tenantId);
    return former !== undefined && (person.generation ?? 0) === generation;
  }

  /** The person as it was kept before. Only while it may be moving. */
  former(person: Person): Person {
    const generation = this.of(person.tenantId).former!;
    const hash = this.kept(person.tenantId, person.logHash ?? person.hash, generation);
    return { ...person, hash, generation };
  }

  /** What was learned is old. @returns the error: the same again will work. */
  stale(): AppError {
    this.onStale();
    return new AppError('data_key.unavailable', { detail: 'the key of persons has just been changed' });
  }

  private kept(tenantId: string, logHash: Buffer, generation: number): Buffer {
    const key = this.key(tenantId, generation);
    return key === undefined ? logHash : keptHash(key, logHash);
  }

  private opened(tenantId: string, hash: Buffer, generation: number): Buffer {
    const key = this.key(tenantId, generation);
    return key === undefined ? hash : openKeptHash(key, hash);
  }

  /** Undefined where hashes are kept as they are: what a deleted tenant leaves is only deleted. */
  private key(tenantId: string, generation: number): Buffer | undefined {
    if (generation === 0) return undefined;
    const key = this.keyOf(tenantId, generation);
    if (key === undefined) {
      // It may have been destroyed because nothing is kept under it any more.
      this.onStale();
      throw new AppError('data_key.unavailable');
    }
    return key === 'gone' ? undefined : key;
  }
}
