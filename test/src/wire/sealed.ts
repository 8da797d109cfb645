// Opens what the platform sealed, written again from the format: version 1 (1 byte), key ID (16), nonce (12),
// ciphertext, tag (16), AES-256-GCM; associated data: purpose, zero byte, tenant, row.
import { createDecipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [ID_START, NONCE_START, BODY_START, TAG_BYTES] = [1, 17, 29, 16];

/** Keys by the hex of their 16-byte ID. */
export type Keys = ReadonlyMap<string, Buffer>;

/** @throws Error when the key is unknown, or the value or its place is another. */
export function openSealed(sealed: Buffer, keys: Keys, purpose: string, tenant: string, row: string): Buffer {
  if (sealed[0] !== 1 || sealed.length < BODY_START + TAG_BYTES) throw new Error('not a sealed value');
  const key = keys.get(sealed.subarray(ID_START, NONCE_START).toString('hex'));
  if (key === undefined) throw new Error('sealed with a key that is not known');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(NONCE_START, BODY_START));
  const bytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll('-', ''), 'hex');
  decipher.setAAD(Buffer.concat([Buffer.from(`${purpose}\0`), bytes(tenant), bytes(row)]));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(BODY_START, sealed.length - TAG_BYTES));
  return Buffer.concat([plain, decipher.final()]);
}

/** The key-encryption keys of `{"current":1,"keys":{"1":"<base64>"}}`; the ID of key n is n in 16 bytes. */
export function readKeyFile(path: string): Keys {
  const file = JSON.parse(readFileSync(path, 'utf8')) as { keys: Record<string, string> };
  const id = (version: string): string => Number(version).toString(16).padStart(32, '0');
  return new Map(
    Object.entries(file.keys).map(([version, key]) => [id(version), Buffer.from(key, 'base64')]),
  );
}
