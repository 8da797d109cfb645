import { createHash } from 'node:crypto';

/** One person as one tenant sees them. */
export interface Person {
  /** UUID text. */
  readonly tenantId: string;
  /** 16 bytes. */
  readonly hash: Buffer;
}

export const HASH_BYTES = 16;

/** Two persons are the same when their keys are. */
export const personKey = ({ tenantId, hash }: Person): string => `${tenantId}:${hash.toString('hex')}`;

/** Each person once. */
export const distinctPersons = (persons: readonly Person[]): Person[] => [
  ...new Map(persons.map((person) => [personKey(person), person])).values(),
];

/**
 * The number of the advisory lock of a person. Whoever changes what is known of a person takes it exclusively,
 * whoever gives a permit to send takes it shared.
 */
export const personLock = (person: Person): bigint =>
  createHash('sha256').update(personKey(person)).digest().readBigInt64BE(0);
