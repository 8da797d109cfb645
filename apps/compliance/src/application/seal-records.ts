import type { Clock } from '@posthorn/clock/clock.js';
import { uuidText } from '@posthorn/clock/id.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { ConsentProof } from '../domain/consent-proof.js';
import { RECORD_PLACES, type RecordPlace, type RecordSeals } from '../domain/record-seals.js';
import type { ClearRecord, ClearRecordStore } from '../persistence/clear-record.store.js';
import type { ComplianceMetrics } from './compliance-metrics.js';

const INTERVAL_MS = 2_000;
/** Rows of one transaction. */
const ROWS_MAX = 100;
/** Of one round: the end of the process must not wait for long, and others use the database, too. */
const ROUND_MS = 1_000;

/**
 * Seals what stands in the clear of tenants that have a record key: from before there were keys, or written by a version of
 * before that is still, or again, running. Where it is stands nowhere: what is sealed is not found any more. Every process
 * does it, each other rows.
 */
export class SealRecords {
  private readonly rounds = new Rounds(INTERVAL_MS, () =>
    this.run().catch((err: unknown) =>
      this.log.warn({ err, stage: 'record_key' }, 'consent records were not sealed'),
    ),
  );

  constructor(
    private readonly db: Database,
    private readonly store: ClearRecordStore,
    private readonly seals: RecordSeals,
    private readonly edge: Pick<EdgeConfig, 'tenants'>,
    private readonly metrics: Pick<ComplianceMetrics, 'setClearRecords'>,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. @returns how many it sealed. */
  async run(): Promise<number> {
    const endMs = this.clock.monotonicMs() + ROUND_MS;
    const tenantIds = this.edge
      .tenants()
      .filter(({ recordBox }) => recordBox !== undefined)
      .map(({ uuid }) => uuidText(uuid));
    let count = 0;
    for (const place of RECORD_PLACES) {
      for (let sealed = ROWS_MAX; sealed === ROWS_MAX && this.clock.monotonicMs() < endMs;) {
        if (tenantIds.length === 0 || this.rounds.isStopped) break;
        sealed = await this.sealSome(place, tenantIds);
        count += sealed;
      }
    }
    if (count > 0) this.log.info({ count, stage: 'record_key' }, 'consent records were sealed');
    this.metrics.setClearRecords(await this.store.count(this.db));
    return count;
  }

  private sealSome(place: RecordPlace, tenantIds: readonly string[]): Promise<number> {
    return this.db.transaction(async (tx) => {
      const found = await this.store.claim(tx, place, tenantIds, ROWS_MAX);
      if (found.length > 0)
        await this.store.replace(
          tx,
          place,
          found.map((one) => this.sealed(place, one)),
        );
      return found.length;
    });
  }

  private sealed(place: RecordPlace, { tenantId, rowId, kept }: ClearRecord): ClearRecord {
    const sealed =
      typeof kept === 'string'
        ? this.seals.seal({ tenantId, place, rowId }, kept)
        : this.seals.sealProof(tenantId, rowId, kept satisfies ConsentProof);
    return { tenantId, rowId, kept: sealed };
  }
}
