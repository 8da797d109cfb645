import { createHash } from 'node:crypto';
import { normalizeAddress } from './address.js';

/**
 * The ID of one recipient's copy of a message that a provider sent to several under one ID: each copy has a state
 * of its own. The provider's ID, a colon, and the first digits of SHA-256 over the provider's ID, a line break and the normalised address.
 * @param address as the provider wrote it; empty gives the provider's ID as it is.
 * @param digits hexadecimal; enough to tell the recipients of one send apart.
 * Why so few: no key is at hand here, so the digits must fit many an address, or a list of all numbers would give it away.
 * Why not their place in a list: no provider promises that it stays.
 */
export function recipientMessageId(id: string, address: string, digits: number): string {
  const recipient = normalizeAddress(address);
  if (id === '' || recipient === '') return id;
  return `${id}:${createHash('sha256').update(`${id}\n${recipient}`).digest('hex').slice(0, digits)}`;
}
