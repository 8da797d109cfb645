import { idOfUuid } from '@posthorn/clock/id.js';
import { AuditAppendServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { type GrpcChannel, grpcClient } from './grpc-client.js';
import { type Logger } from './logger.js';
import { type Counter, type Gauge, type Metrics } from './metrics.js';

const DEADLINE_MS = 5_000;

/** An entry as a service committed it with its act. */
export interface OutgoingEntry {
  readonly number: bigint;
  /** UUID text. */
  readonly tenantId: string;
  readonly atMs: number;
  readonly actor: { readonly id: string; readonly kind: string; readonly remoteAddress: string };
  readonly action: string;
  readonly target: string;
  readonly detailJson: string;
}

/** The audit log that tenants keeps, for the acts of this service. */
export class AuditAppend {
  private readonly entries;
  private readonly depth: Gauge;
  private readonly refused: Counter;

  /** @param channel to tenants. */
  constructor(
    channel: GrpcChannel,
    metrics: Metrics,
    private readonly log: Pick<Logger, 'error'>,
  ) {
    this.entries = grpcClient(AuditAppendServiceService, channel);
    this.depth = metrics.gauge({
      name: 'posthorn_audit_outgoing_rows',
      help: 'Acts that are not in the audit log yet; 0 where another process relays them',
    });
    this.refused = metrics.counter({
      name: 'posthorn_audit_refused_rows_total',
      help: 'Acts that the audit log refused for good',
    });
  }

  /**
   * Each once, however often it is told. One that can never be in the log is counted, and does not hold up the others.
   * @param acts at most 500. @throws AppError of the call: then the same is to be told again.
   */
  async append(acts: readonly OutgoingEntry[]): Promise<void> {
    const entries = acts.map((act) => ({ ...act, tenantId: idOfUuid('ten', act.tenantId) }));
    const { refusedNumbers } = await this.entries.appendAuditEntries(
      { entries },
      { deadlineMs: DEADLINE_MS },
    );
    for (const sequence of refusedNumbers) {
      this.onRefusedRow();
      this.log.error({ stage: 'audit', sequence }, 'the audit log refuses an act for good');
    }
  }

  onDepth(acts: number): void {
    this.depth.set(acts);
  }

  onRefusedRow(): void {
    this.refused.inc();
  }
}
