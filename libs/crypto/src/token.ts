import { createHash, randomBytes } from 'node:crypto';

const TOKEN_BYTES = 32;

/** A new bearer token: prefix, then 256 random bits in base64url. */
export const generateToken = (prefix: string): string =>
  prefix + randomBytes(TOKEN_BYTES).toString('base64url');

/** What is stored of a token. Why plain SHA-256: a token of 256 random bits needs no slow hash. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest();
