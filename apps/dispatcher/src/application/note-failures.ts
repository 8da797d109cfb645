import type { Clock } from '@posthorn/clock/clock.js';
import { uuidText } from '@posthorn/clock/id.js';
import type { Logger } from '@posthorn/server/logger.js';
import { type BrokenRule, hourOf, isBroken, verdictOnDestination } from '../domain/destination-health.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DestinationFailureStore, FailedAttempt } from '../persistence/destination-failure.store.js';
import type { Outcome } from '../persistence/delivery.store.js';
import type { DestinationReport, DestinationReportStore } from '../persistence/destination-report.store.js';

/** How late this process may hear that another one saw a destination fail. */
const REFRESH_MS = 60_000;

type Failure = FailedAttempt & Pick<DestinationReport, 'lastStatus' | 'lastOutcome'>;

/** What is to be written of one destination; a success comes before the failure that follows it. */
interface Mark {
  readonly tenantId: string;
  readonly destinationId: string;
  hasWorked: boolean;
  failure: Failure | undefined;
}

/**
 * Keeps since when every attempt at a destination has failed, over all processes, and has those disabled that stay broken.
 * Costs nothing while destinations work; a failure is written once an hour for each destination and process.
 * Why beside the transaction of the outcomes: two processes that write of the same destinations would wait for each
 * other there. What a crash loses, the next attempt finds again.
 */
export class NoteFailures {
  /** UUID text → what the store has of those that fail. */
  private known = new Map<string, { readonly generation: number; readonly hour: number }>();
  private readonly marks = new Map<string, Mark>();
  private writing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query' | 'transaction'>,
    private readonly failures: DestinationFailureStore,
    private readonly reports: DestinationReportStore,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    private readonly rule: BrokenRule,
  ) {}

  onApplicationBootstrap(): void {
    const round = (): void => void this.refresh();
    this.timer = setInterval(round, REFRESH_MS);
    round();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.writing;
  }

  /** Takes what was committed. Never throws. */
  onRecorded(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) this.take(outcome);
    if (this.marks.size > 0) this.writing ??= this.write().finally(() => (this.writing = undefined));
  }

  private take({ delivery, attempt, generation }: Outcome): void {
    if (attempt === undefined || generation === 0) return;
    const verdict = verdictOnDestination(attempt);
    if (verdict === 'works' && this.known.size + this.marks.size === 0) return;
    const destinationId = uuidText(delivery.destinationUuid);
    const known = this.known.get(destinationId);
    const mark = this.marks.get(destinationId);
    if (verdict === 'works' && (known !== undefined || mark !== undefined)) {
      const { hasWorked, failure } = { hasWorked: true, failure: undefined };
      this.marks.set(destinationId, { ...this.markOf(delivery), hasWorked, failure });
      this.known.delete(destinationId);
    }
    const atMs = attempt.startedAtMs;
    if (verdict !== 'fails' || (known?.generation === generation && known.hour >= hourOf(atMs))) return;
    const tenantId = uuidText(delivery.tenantId);
    const last = { lastStatus: attempt.status, lastOutcome: attempt.outcome };
    const noted = mark ?? this.markOf(delivery);
    noted.failure = { tenantId, destinationId, generation, atMs, ...last };
    this.marks.set(destinationId, noted);
    this.known.set(destinationId, { generation, hour: hourOf(atMs) });
  }

  private readonly markOf = ({ tenantId, destinationUuid }: Outcome['delivery']): Mark => ({
    tenantId: uuidText(tenantId),
    destinationId: uuidText(destinationUuid),
    hasWorked: false,
    failure: undefined,
  });

  private async write(): Promise<void> {
    while (this.marks.size > 0) {
      const marks = [...this.marks.values()];
      this.marks.clear();
      try {
        await this.forget(marks.filter(({ hasWorked }) => hasWorked));
        await this.note(marks.flatMap(({ failure }) => failure ?? []));
      } catch (err) {
        this.log.warn({ err, count: marks.length }, 'it was not noted which destinations fail');
        for (const { destinationId } of marks) this.known.delete(destinationId);
      }
    }
  }

  private async forget(worked: readonly Mark[]): Promise<void> {
    if (worked.length > 0) await this.db.transaction((tx) => this.failures.forget(tx, worked));
  }

  private async note(failures: readonly Failure[]): Promise<void> {
    if (failures.length === 0) return;
    const nowMs = this.clock.nowMs();
    const byId = new Map(failures.map((failure) => [failure.destinationId, failure]));
    await this.db.transaction(async (tx) => {
      const failing = await this.failures.note(tx, failures);
      const broken = failing.filter((each) => isBroken(each, this.rule, nowMs));
      const reports = broken.map((each) => {
        const { lastStatus, lastOutcome } = byId.get(each.destinationId)!;
        return { ...each, reason: 'failing' as const, lastStatus, lastOutcome };
      });
      await this.reports.add(tx, reports, nowMs);
    });
  }

  /** What other processes noted, too. */
  private async refresh(): Promise<void> {
    try {
      const nowMs = this.clock.nowMs();
      await this.failures.deleteOld(this.db, nowMs);
      await this.reports.deleteOld(this.db, nowMs);
      const rows = await this.failures.list(this.db);
      this.known = new Map(
        rows.map(({ destinationId, generation, lastFailedAtMs }) => [
          destinationId,
          { generation, hour: hourOf(lastFailedAtMs) },
        ]),
      );
    } catch (err) {
      this.log.warn({ err }, 'which destinations fail is not known anew');
    }
  }
}
