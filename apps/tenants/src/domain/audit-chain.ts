import { createHash } from 'node:crypto';
import { type ChainedEntry } from './audit-entry.js';

/** A place in a tenant's chain: what has been seen up to there. */
export interface ChainHead {
  readonly number: bigint;
  readonly hash: Buffer;
}

/** missing: there is no entry of that number. changed: its content, or one before it, is not what was hashed. */
export type ChainProblem = 'missing' | 'changed';

const FORMAT = 'posthorn.audit.v1';
const HASH_BYTES = 32;

/** Before the first entry. */
export const GENESIS: ChainHead = { number: 0n, hash: Buffer.alloc(HASH_BYTES) };

/**
 * The hash of an entry: SHA-256 over the former hash, then each field with its length in front.
 * Postgres computes the same when an entry is inserted (migration 0002); here it is computed a second time, to verify.
 * @param former 32 bytes. @param tenantId UUID text.
 * Why lengths: ("ab", "c") and ("a", "bc") must differ.
 */
export function entryHash(former: Buffer, tenantId: string, entry: Omit<ChainedEntry, 'hash'>): Buffer {
  const { number, auditId, atMs, actor, action, target, detailJson, origin } = entry;
  const hash = createHash('sha256').update(former);
  for (const field of [
    ...[FORMAT, tenantId, String(number), auditId, String(atMs), actor.id, actor.kind, actor.remoteAddress],
    ...[action, target, detailJson, origin],
  ]) {
    const bytes = Buffer.from(field, 'utf8');
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return hash.digest();
}

/** Whether an entry follows. @returns undefined when it does. */
export function problemAfter(
  head: ChainHead,
  tenantId: string,
  entry: ChainedEntry,
): { readonly number: bigint; readonly problem: ChainProblem } | undefined {
  const number = head.number + 1n;
  if (entry.number !== number) return { number, problem: 'missing' };
  return entryHash(head.hash, tenantId, entry).equals(entry.hash)
    ? undefined
    : { number, problem: 'changed' };
}
