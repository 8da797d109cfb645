import { createHash } from 'node:crypto';

/** One person as one tenant sees them. */
export interface Person {
  /** UUID text. */
  readonly tenantId: string;
  /** As it is kept here, 16 bytes. */
  readonly hash: Buffer;
  /** As the log and all others know it; missing: the same. */
  readonly logHash?: Buffer;
  /** Of the key under which the hash is; missing: 0, none. */
  readonly generation?: number;
}

/** Under which others know the person. */
export const logHashOf = ({ hash, logHash }: Person): Buffer => logHash ?? hash;

export const HASH_BYTES = 16;

/** Two persons are the same when their keys are. */
export const personKey = ({ tenantId, hash }: Person): string => `${tenantId}:${hash.toString('hex')}`;

/** Each person once. */
export const distinctPersons = (persons: readonly Person[]): Person[] => [
  ...new Map(persons.map((person) => [personKey(person), person])).values(),
];

/** The number of the lock of a tenant's key: exclusively for who changes it, shared for who names persons by it. */
export const personKeyLock = (tenantId: string): bigint =>
  createHash('sha256').update(`person key:${tenantId}`).digest().readBigInt64BE(0);

/**
 * The number of the advisory lock of a person. Whoever changes what is known of a person takes it exclusively,
 * whoever gives a permit to send takes it shared.
 */
export const personLock = (person: Person): bigint =>
  createHash('sha256').update(personKey(person)).digest().readBigInt64BE(0);
