import { createCipheriv, createDecipheriv } from 'node:crypto';

/** What `keyedHash` makes has the size of one block of the cipher. */
const HASH_BYTES = 16;
const KEY_BYTES = 32;
const CIPHER = 'aes-256-ecb';

/**
 * The form in which a keyed hash is kept under a second key, which can be replaced.
 * One block of AES-256: every hash has exactly one kept form, so rows are found by it, two never become one, and who has
 * the key gets the hash back. Without that key nobody can tell whose it is, not even with the key of the hash.
 * Why ECB: it is the bare permutation of one block. The input is a hash, of which none is ever longer.
 * @param key 32 bytes. @param hash 16 bytes.
 */
export function keptHash(key: Buffer, hash: Buffer): Buffer {
  check(key, hash);
  return createCipheriv(CIPHER, key, null).setAutoPadding(false).update(hash);
}

/** What `keptHash` was made of. */
export function openKeptHash(key: Buffer, kept: Buffer): Buffer {
  check(key, kept);
  return createDecipheriv(CIPHER, key, null).setAutoPadding(false).update(kept);
}

function check(key: Buffer, hash: Buffer): void {
  if (key.length !== KEY_BYTES || hash.length !== HASH_BYTES)
    throw new Error(`a kept hash is made with ${KEY_BYTES} bytes of key, of ${HASH_BYTES} bytes`);
}
