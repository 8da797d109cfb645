import { type Database } from '@posthorn/postgres/database.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type Gauge, type Metrics } from '@posthorn/server/metrics.js';
import { type CheckpointFile } from '../clients/checkpoint-file.js';
import { PLATFORM_ID } from '../domain/actor.js';
import { type ChainHead, GENESIS, problemAfter } from '../domain/audit-chain.js';
import { type AuditRead } from '../persistence/audit.read.js';
import { type CheckpointStore } from '../persistence/checkpoint.store.js';
import { type CheckpointSigner } from './checkpoint-signer.js';

const LOGS_PER_PAGE = 200;
const ENTRIES_PER_PAGE = 500;
/** What is left of a long log comes with the next round. */
const PAGES_PER_LOG = 20;

/**
 * Covers what was added to audit logs by signed checkpoints, after following the chain from the last one: a log that
 * was changed since is reported, and not signed. The copy outside of the database is written first.
 */
export class CheckpointAudit {
  private readonly broken: Gauge;

  constructor(
    private readonly db: Database,
    private readonly audits: AuditRead,
    private readonly checkpoints: CheckpointStore,
    private readonly signer: CheckpointSigner,
    private readonly file: CheckpointFile,
    private readonly log: Logger,
    metrics: Metrics,
  ) {
    this.broken = metrics.gauge({
      name: 'posthorn_audit_broken_logs',
      help: 'Audit logs whose chain does not follow from their last checkpoint: entries were changed or removed',
    });
  }

  /** @returns how many checkpoints were made. */
  async run(): Promise<number> {
    let [made, broken] = [0, 0];
    let after: string | undefined;
    for (;;) {
      const logs = await this.checkpoints.uncovered(this.db, after, LOGS_PER_PAGE);
      for (const { tenantId } of logs) {
        if (await this.cover(tenantId)) made += 1;
        else broken += 1;
      }
      if (logs.length < LOGS_PER_PAGE) break;
      after = logs.at(-1)!.tenantId;
    }
    this.broken.set(broken);
    return made;
  }

  private async cover(tenantId: string): Promise<boolean> {
    const last = await this.checkpoints.last(this.db, tenantId);
    if (last !== undefined && !(await this.signer.isOurs(last)))
      return this.report(tenantId, last.number, 'checkpoint');
    let head: ChainHead = last ?? GENESIS;
    for (let page = 0; page < PAGES_PER_LOG; page += 1) {
      const entries = await this.audits.page(this.db, tenantId, head.number, ENTRIES_PER_PAGE);
      for (const entry of entries) {
        const found = problemAfter(head, tenantId, entry);
        if (found !== undefined) return this.report(tenantId, found.number, found.problem);
        head = entry;
      }
      if (entries.length < ENTRIES_PER_PAGE) break;
    }
    if (head.number === (last?.number ?? 0n)) return this.report(tenantId, head.number + 1n, 'missing');
    const checkpoint = await this.signer.sign(tenantId, head);
    await this.file.append(checkpoint);
    await this.checkpoints.insert(this.db, checkpoint);
    return true;
  }

  private report(tenantId: string, number: bigint, problem: string): false {
    const log = tenantId === PLATFORM_ID ? 'platform' : tenantId;
    this.log.error({ tenantId: log, sequence: number, cause: problem }, 'an audit log does not verify');
    return false;
  }
}
