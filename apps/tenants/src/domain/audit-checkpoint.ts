import { type KeyObject, sign, verify } from 'node:crypto';
import { type ChainHead } from './audit-chain.js';

/** That a tenant's log had this hash at this number, signed: whoever rewrites the log afterwards cannot sign anew. */
export interface Checkpoint extends ChainHead {
  readonly tenantId: string;
  readonly atMs: number;
  /** UUID text. */
  readonly keyId: string;
  /** Ed25519, 64 bytes. */
  readonly signature: Buffer;
}

const FORMAT = 'posthorn.audit.checkpoint.v1';

/** What is signed: one line of text, so that anybody can build it again from the file. */
function signedBytes({ tenantId, number, hash, atMs, keyId }: Omit<Checkpoint, 'signature'>): Buffer {
  return Buffer.from([FORMAT, tenantId, number, hash.toString('hex'), atMs, keyId].join(' '), 'utf8');
}

export const signCheckpoint = (
  unsigned: Omit<Checkpoint, 'signature'>,
  privateKey: KeyObject,
): Checkpoint => ({
  ...unsigned,
  signature: sign(null, signedBytes(unsigned), privateKey),
});

export const isSignedBy = (checkpoint: Checkpoint, publicKey: KeyObject): boolean =>
  verify(null, signedBytes(checkpoint), publicKey, checkpoint.signature);

/** One line of the file outside of the database. */
export const checkpointLine = ({ tenantId, number, hash, atMs, keyId, signature }: Checkpoint): string =>
  JSON.stringify({
    tenantId,
    number: String(number),
    hash: hash.toString('hex'),
    atMs,
    keyId,
    signature: signature.toString('base64'),
  });

const NUMBER = /^[1-9]\d{0,18}$/;
const HASH = /^[0-9a-f]{64}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads a line. @returns undefined for one that is torn or made by somebody else. */
export function parseCheckpointLine(line: string): Checkpoint | undefined {
  let value: Partial<Record<string, unknown>> | null;
  try {
    value = JSON.parse(line) as Partial<Record<string, unknown>> | null;
  } catch {
    return undefined;
  }
  const { tenantId, number, hash, atMs, keyId, signature } = value ?? {};
  const isText = (text: unknown, form: RegExp): text is string => typeof text === 'string' && form.test(text);
  if (!isText(tenantId, UUID) || !isText(keyId, UUID) || !isText(number, NUMBER)) return undefined;
  if (!isText(hash, HASH) || typeof signature !== 'string' || !Number.isSafeInteger(atMs)) return undefined;
  return {
    ...{ tenantId, keyId, atMs: atMs as number, number: BigInt(number) },
    hash: Buffer.from(hash, 'hex'),
    signature: Buffer.from(signature, 'base64'),
  };
}
