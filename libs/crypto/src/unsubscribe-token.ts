import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

/** What a link unsubscribes whom from. IDs and hashes are 16 bytes. */
export interface Unsubscribe {
  readonly tenantId: Buffer;
  /** The message that the link is in: a token for each. */
  readonly messageId: Buffer;
  readonly personHash: Buffer;
  readonly channel: UnsubscribeChannel;
  /** A program of the tenant, or `all`. */
  readonly program: string;
}

/** By number, as it stands in tokens: never change one, only add. */
const CHANNELS = ['sms', 'email', 'chat', 'push'] as const;
export type UnsubscribeChannel = (typeof CHANNELS)[number];

/** UTF-8 bytes of a program's name in a token; it stays below the 256 characters that a path segment may have. */
export const UNSUBSCRIBE_PROGRAM_BYTES_MAX = 120;

const VERSION = 1;
const ID_BYTES = 16;
const HEADER_BYTES = 1 + 2 * ID_BYTES;
const FIXED_BYTES = ID_BYTES + 1;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const CIPHER = 'aes-256-gcm';
const INFO = Buffer.from('posthorn unsubscribe 1', 'ascii');
const TOKEN_BYTES_MIN = HEADER_BYTES + FIXED_BYTES + 1 + TAG_BYTES;
const TOKEN_BYTES_MAX = TOKEN_BYTES_MIN + UNSUBSCRIBE_PROGRAM_BYTES_MAX;
const TOKEN_LENGTH_MAX = Math.ceil((TOKEN_BYTES_MAX * 4) / 3);

/**
 * The token of a link that unsubscribes: nobody makes one without the tenant's key, nor reads who it is for.
 * Format, in base64url: version 1 (1 byte), tenant (16), message (16), ciphertext of person hash (16), channel (1) and
 * program (UTF-8), tag (16). The ciphertext is AES-256-GCM; key and nonce are HKDF-SHA256 of the hash key with the
 * message as salt, and everything before the ciphertext is authenticated with it.
 * Why a key for each message: the same message gives the same token, and no nonce is ever used for two texts.
 * Why the hash key: links have to work for as long as mails are kept, which is longer than the data key of a week. It
 * lives as long as the tenant, without rotation, because every suppression is found by it; so does a token, which has
 * no end of its own. It can only silence, so an old one does no harm (CASL asks for 60 days at least).
 * @param hashKey of the tenant, 32 bytes. @param program 1 to `UNSUBSCRIBE_PROGRAM_BYTES_MAX` bytes.
 * Source: RFC 8058 section 3.1 (opaque, hard to forge), RFC 5869, read 2026-11.
 */
export function unsubscribeToken(hashKey: Buffer, unsubscribe: Unsubscribe): string {
  const { tenantId, messageId, personHash, channel, program } = unsubscribe;
  const name = Buffer.from(program, 'utf8');
  if ([tenantId, messageId, personHash].some((id) => id.length !== ID_BYTES))
    throw new Error('unsubscribeToken takes IDs of 16 bytes');
  if (name.length === 0 || name.length > UNSUBSCRIBE_PROGRAM_BYTES_MAX)
    throw new Error(`unsubscribeToken takes a program of 1 to ${UNSUBSCRIBE_PROGRAM_BYTES_MAX} bytes`);
  const header = Buffer.concat([Buffer.of(VERSION), tenantId, messageId]);
  const { key, nonce } = keyOf(hashKey, messageId);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(header);
  const body = cipher.update(Buffer.concat([personHash, Buffer.of(CHANNELS.indexOf(channel)), name]));
  cipher.final();
  return Buffer.concat([header, body, cipher.getAuthTag()]).toString('base64url');
}

/**
 * Reads a token. The tag is compared in constant time.
 * @param hashKeyOf of a tenant; undefined when there is no such tenant.
 * @returns undefined for anything that `unsubscribeToken` did not make with that key.
 * @throws what `hashKeyOf` throws.
 */
export function readUnsubscribeToken(
  token: string,
  hashKeyOf: (tenantId: Buffer) => Buffer | undefined,
): Unsubscribe | undefined {
  if (token.length > TOKEN_LENGTH_MAX) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  // The decoder skips what is no base64url, and bits at the end that say nothing: one token has one spelling.
  if (bytes.length < TOKEN_BYTES_MIN || bytes[0] !== VERSION || bytes.toString('base64url') !== token)
    return undefined;
  const tenantId = bytes.subarray(1, 1 + ID_BYTES);
  const messageId = bytes.subarray(1 + ID_BYTES, HEADER_BYTES);
  const hashKey = hashKeyOf(tenantId);
  if (hashKey === undefined) return undefined;
  const plain = opened(bytes, keyOf(hashKey, messageId));
  const channel = plain === undefined ? undefined : CHANNELS[plain[ID_BYTES]!];
  if (plain === undefined || channel === undefined) return undefined;
  const personHash = plain.subarray(0, ID_BYTES);
  return { tenantId, messageId, personHash, channel, program: plain.toString('utf8', FIXED_BYTES) };
}

interface MessageKey {
  readonly key: Buffer;
  readonly nonce: Buffer;
}

function keyOf(hashKey: Buffer, messageId: Buffer): MessageKey {
  const derived = Buffer.from(hkdfSync('sha256', hashKey, messageId, INFO, KEY_BYTES + NONCE_BYTES));
  return { key: derived.subarray(0, KEY_BYTES), nonce: derived.subarray(KEY_BYTES) };
}

/** @returns undefined when any bit of it is another one. */
function opened(bytes: Buffer, { key, nonce }: MessageKey): Buffer | undefined {
  const tagStart = bytes.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(bytes.subarray(0, HEADER_BYTES)).setAuthTag(bytes.subarray(tagStart));
  const plain = decipher.update(bytes.subarray(HEADER_BYTES, tagStart));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}
