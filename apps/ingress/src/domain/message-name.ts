import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { normalizeAddress } from '@posthorn/providers/address.js';
import { logText, TEXT_LENGTH_MAX } from './log-text.js';

/**
 * What names a message in the log: the provider's ID; of one recipient's copy of what several got under that ID, a
 * colon and 32 hexadecimal digits behind it, the keyed hash of ID and address.
 * @param recipient address as the provider wrote it; empty when the ID names one message.
 * @param hashKey the tenant's: the log must not say to others who the recipient is.
 */
export function messageNameOf(id: string, recipient: string, hashKey: Buffer): string {
  const address = recipient === '' ? '' : normalizeAddress(recipient);
  if (id === '' || address === '') return logText(id);
  const suffix = `:${keyedHash(hashKey, 'recipient', id, address).toString('hex')}`;
  return `${logText(id).slice(0, TEXT_LENGTH_MAX - suffix.length)}${suffix}`;
}
