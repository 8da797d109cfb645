import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { AppError } from '@posthorn/errors/app-error.js';

const ITERATIONS = 4_096;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * What Postgres stores of a password, so that the password itself is neither sent nor logged.
 * @throws AppError `config.invalid` unless the password is printable ASCII: others would need SASLprep.
 * Source: RFC 5802, section 3; PostgreSQL documentation, pg_authid.rolpassword, read 2026-11.
 */
export function scramVerifier(password: string): string {
  if (!/^[\x21-\x7e]+$/.test(password)) {
    throw new AppError('config.invalid', { detail: 'the database password must be printable ASCII' });
  }
  const salt = randomBytes(SALT_BYTES);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, KEY_BYTES, 'sha256');
  const key = (label: string): Buffer => createHmac('sha256', salted).update(label).digest();
  const stored = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`;
}
