/** Wraps keys under a key-encryption key that never leaves its keeper (a file here; a KMS elsewhere). */
export abstract class KeyWrapper {
  abstract wrap(key: Buffer, aad: Buffer): Buffer;
  /** @throws AppError `ciphertext.invalid` when no version of the key-encryption key opens it. */
  abstract unwrap(wrapped: Buffer, aad: Buffer): Buffer;
}
