import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomFillSync,
  type KeyObject,
} from 'node:crypto';
import { AppError } from '@posthorn/errors/app-error.js';

const VERSION = 1;
const ID_BYTES = 16;
const KEY_BYTES = 32;
const SALT_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + ID_BYTES + NONCE_BYTES;
const CIPHER = 'aes-256-gcm';
const COUNTER_MAX = 0xffffffff;

/** What a sealed value is for; part of what is authenticated, so no value can stand in for another. */
export type SealPurpose =
  'raw' | 'content' | 'media' | 'secret' | 'key' | 'proof' | 'signal_note' | 'lift_reason' | 'review_note';

/**
 * The associated data of one row: purpose, zero byte, tenant, row.
 * @param rowId 16 bytes: request for `raw`, event for `content`, what an event and a place in it make for
 * `media`, secret for `secret`, any wrapped key for `key`, signal for `proof` and `signal_note`, suppression for
 * `lift_reason`, event for `review_note`.
 */
export function sealAad(purpose: SealPurpose, tenantId: Buffer, rowId: Buffer): Buffer {
  if (tenantId.length !== ID_BYTES || rowId.length !== ID_BYTES)
    throw new Error('sealAad takes IDs of 16 bytes');
  return Buffer.concat([Buffer.from(`${purpose}\0`, 'ascii'), tenantId, rowId]);
}

/** The ID of the key that opens a sealed value. @throws AppError `ciphertext.invalid` when it is not one. */
export function sealedKeyId(sealed: Buffer): Buffer {
  if (sealed.length < HEADER_BYTES + TAG_BYTES || sealed[0] !== VERSION)
    throw new AppError('ciphertext.invalid');
  return Buffer.from(sealed.subarray(1, 1 + ID_BYTES));
}

/**
 * Seals and opens values with one key, AES-256-GCM.
 * Format: version 1 (1 byte), key ID (16), nonce (12), ciphertext, tag (16).
 * Why a salted counter as nonce: never repeats within an instance, takes no randomness per value, and two
 * instances with the same key meet only when 64 random bits do.
 */
export class SealedBox {
  private readonly key: KeyObject;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private counter = 0;

  /** @param keyId 16 bytes, travels in the clear. @param key 32 bytes. */
  constructor(
    readonly keyId: Buffer,
    key: Buffer,
  ) {
    if (keyId.length !== ID_BYTES || key.length !== KEY_BYTES)
      throw new Error('SealedBox takes a key ID of 16 and a key of 32 bytes');
    this.key = createSecretKey(key);
    this.header[0] = VERSION;
    keyId.copy(this.header, 1);
    this.newSalt();
  }

  seal(plaintext: Uint8Array, aad: Buffer): Buffer {
    const sealed = Buffer.allocUnsafe(HEADER_BYTES + plaintext.length + TAG_BYTES);
    this.nextNonce();
    this.header.copy(sealed);
    const cipher = createCipheriv(CIPHER, this.key, sealed.subarray(1 + ID_BYTES, HEADER_BYTES), {
      authTagLength: TAG_BYTES,
    });
    cipher.setAAD(aad);
    sealed.set(cipher.update(plaintext), HEADER_BYTES);
    cipher.final();
    sealed.set(cipher.getAuthTag(), HEADER_BYTES + plaintext.length);
    return sealed;
  }

  /** @throws AppError `ciphertext.invalid` when the value, its key or its associated data is another. */
  open(sealed: Buffer, aad: Buffer): Buffer {
    if (!sealedKeyId(sealed).equals(this.keyId)) throw new AppError('ciphertext.invalid');
    const tagStart = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, this.key, sealed.subarray(1 + ID_BYTES, HEADER_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(tagStart));
    try {
      const plaintext = decipher.update(sealed.subarray(HEADER_BYTES, tagStart));
      decipher.final();
      return plaintext;
    } catch (cause) {
      throw new AppError('ciphertext.invalid', { cause });
    }
  }

  private nextNonce(): void {
    if (this.counter === COUNTER_MAX) this.newSalt();
    this.header.writeUInt32BE(++this.counter, 1 + ID_BYTES + SALT_BYTES);
  }

  private newSalt(): void {
    randomFillSync(this.header, 1 + ID_BYTES, SALT_BYTES);
    this.counter = 0;
  }
}
