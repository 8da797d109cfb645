import { type Tx } from '@posthorn/postgres/database.js';
import { type CheckpointFile } from '../clients/checkpoint-file.js';
import { PLATFORM_ID } from '../domain/actor.js';
import { type ChainHead, GENESIS, problemAfter } from '../domain/audit-chain.js';
import { type Checkpoint } from '../domain/audit-checkpoint.js';
import { type AuditRead } from '../persistence/audit.read.js';
import { type CheckpointStore } from '../persistence/checkpoint.store.js';
import { type ReaderDatabase } from '../persistence/reader-database.js';
import { type CheckpointSigner } from './checkpoint-signer.js';

/** What a look at a log found. */
export interface AuditVerdict {
  readonly isValid: boolean;
  readonly entries: bigint;
  /** 0 when nothing is wrong. */
  readonly firstBadNumber: bigint;
  /** checkpoint: the entries up to there are not those that were signed. */
  readonly problem: '' | 'missing' | 'changed' | 'checkpoint';
  /** Where to go on; 0 at the end of the log. */
  readonly nextAfterNumber: bigint;
  readonly checkpoints: number;
  readonly outsideCheckpoints: number;
}

const ENTRIES_PER_PAGE = 500;
/** Of one call: stays well within a caller's deadline. */
const ENTRIES_MAX = 5_000n;

interface Problem {
  readonly number: bigint;
  readonly problem: AuditVerdict['problem'];
}

interface Signed {
  readonly inside: readonly Checkpoint[];
  readonly outside: readonly Checkpoint[];
}

/** Verifies an audit log: every number there, every hash right, and nothing else than what was signed. */
export class VerifyAudit {
  constructor(
    private readonly reader: ReaderDatabase,
    private readonly audits: AuditRead,
    private readonly checkpoints: CheckpointStore,
    private readonly signer: CheckpointSigner,
    private readonly file: CheckpointFile,
  ) {}

  /** @param tenantId UUID text. @param after 0, or what an earlier call gave as `nextAfterNumber`. */
  run(tenantId: string, after: bigint): Promise<AuditVerdict> {
    return this.reader.tenantTransaction(tenantId, async (tx) => {
      // First, so that what is added meanwhile is not taken for a difference.
      const end = (await this.audits.head(tx, tenantId)) ?? GENESIS;
      const signed = {
        inside: await this.ours(await this.checkpoints.ofWindow(tx, tenantId, after, after + ENTRIES_MAX)),
        outside: await this.ours(ofWindow(await this.file.read(tenantId), after)),
      };
      const start = after === 0n ? GENESIS : await this.audits.at(tx, tenantId, after);
      if (start === undefined) return verdictOf(signed, after, after, { number: after, problem: 'missing' });
      return this.walk(tx, tenantId, start, end, signed);
    });
  }

  private async walk(
    tx: Tx,
    tenantId: string,
    start: ChainHead,
    end: ChainHead,
    signed: Signed,
  ): Promise<AuditVerdict> {
    const hashes = hashesOf([...signed.inside, ...signed.outside]);
    // The first entry of a tenant is its making: an empty log has lost it.
    const least = tenantId === PLATFORM_ID ? 0n : 1n;
    const last = [...hashes.keys(), end.number, least].reduce((a, b) => (a > b ? a : b));
    let head = start;
    while (head.number < last) {
      if (head.number - start.number >= ENTRIES_MAX)
        return { ...verdictOf(signed, start.number, head.number), nextAfterNumber: head.number };
      const entries = await this.audits.page(tx, tenantId, head.number, ENTRIES_PER_PAGE);
      if (entries.length === 0)
        return verdictOf(signed, start.number, head.number, { number: head.number + 1n, problem: 'missing' });
      for (const entry of entries) {
        if (head.number === last) break;
        const found = problemAfter(head, tenantId, entry) ?? signedProblem(entry, end, hashes);
        if (found !== undefined) return verdictOf(signed, start.number, head.number, found);
        head = entry;
      }
    }
    return verdictOf(signed, start.number, head.number);
  }

  /** Those with a signature of ours; others say nothing. */
  private async ours(all: readonly Checkpoint[]): Promise<Checkpoint[]> {
    const kept: Checkpoint[] = [];
    for (const each of all) if (await this.signer.isOurs(each)) kept.push(each);
    return kept;
  }
}

/** What concerns the entries of one call, and the newest, which tells how long the log must be. */
function ofWindow(all: readonly Checkpoint[], after: bigint): Checkpoint[] {
  const newest = all.reduce<Checkpoint | undefined>(
    (best, each) => (best === undefined || each.number > best.number ? each : best),
    undefined,
  );
  return all.filter((each) => (each.number > after && each.number <= after + ENTRIES_MAX) || each === newest);
}

/** Where two of them contradict each other, no entry can be right. */
function hashesOf(checkpoints: readonly Checkpoint[]): Map<bigint, Buffer> {
  const hashes = new Map<bigint, Buffer>();
  for (const { number, hash } of checkpoints)
    hashes.set(number, hashes.get(number)?.equals(hash) === false ? NO_HASH : hash);
  return hashes;
}

function signedProblem(
  entry: ChainHead,
  end: ChainHead,
  hashes: ReadonlyMap<bigint, Buffer>,
): Problem | undefined {
  const { number, hash } = entry;
  if (hashes.get(number)?.equals(hash) === false) return { number, problem: 'checkpoint' };
  return number === end.number && !end.hash.equals(hash) ? { number, problem: 'changed' } : undefined;
}

const NO_HASH = Buffer.alloc(0);

/** @param upTo the last number that is right. */
function verdictOf({ inside, outside }: Signed, after: bigint, upTo: bigint, found?: Problem): AuditVerdict {
  const agreeing = (all: readonly Checkpoint[]): number =>
    all.filter(({ number }) => number > after && number <= upTo).length;
  return {
    isValid: found === undefined,
    entries: upTo - after,
    firstBadNumber: found?.number ?? 0n,
    problem: found?.problem ?? '',
    nextAfterNumber: 0n,
    checkpoints: agreeing(inside),
    outsideCheckpoints: agreeing(outside),
  };
}
