import { createPrivateKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import { invalid } from './provider-answer.js';

const encoded = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/**
 * A JSON Web Token signed with RS256. @param nowMs becomes `iat`. @param lifeSeconds until `exp`.
 * @throws SendEnded `credentials.invalid` when the private key cannot be read.
 * Source: RFC 7515, section 3.1; RFC 7518, section 3.3.
 */
export function signToken(
  claims: Readonly<Record<string, string>>,
  privateKey: string,
  nowMs: number,
  lifeSeconds: number,
): string {
  const iat = Math.floor(nowMs / 1_000);
  const header = { alg: 'RS256', typ: 'JWT' };
  const signed = `${encoded(header)}.${encoded({ ...claims, iat, exp: iat + lifeSeconds, jti: randomUUID() })}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), rsaKey(privateKey)).toString('base64url')}`;
}

function rsaKey(pem: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem);
  } catch {
    // Said below, without what the key holds.
  }
  if (key?.asymmetricKeyType !== 'rsa') throw invalid('credentials', 'the private key is no RSA key in PEM');
  return key;
}
