import type { Clock } from '@posthorn/clock/clock.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Metrics } from '@posthorn/server/metrics.js';
import { PAGE_OUTCOME, type ReprocessingClient, type StoredRequest } from '../clients/reprocessing.client.js';
import { LogBudget } from '../domain/log-budget.js';
import type { UnderstandAgain } from './understand-again.js';

const POLL_MS = 500;
/** Between polls while there is nothing to do. */
const IDLE_POLL_MS = 5_000;
const LEASE_SECONDS = 120;
/** Of one page; what is not done by then is begun anew, long before the lease ends. */
const PAGE_MS_MAX = 60_000;
const LINES_MAX = 5;
const LINES_WINDOW_MS = 60_000;

/** What came of a page. */
interface Page {
  readonly understood: Buffer[];
  readonly personHashes: Buffer[];
  isPostponed: boolean;
}

/**
 * Has stored requests understood that were not, when somebody asked for it: page by page, oldest first, one request
 * after the other, so that intake hardly notices.
 */
export class ReprocessRequests {
  private readonly budget = new LogBudget(LINES_MAX, LINES_WINDOW_MS);
  private readonly outcomes;
  private dueAtMs = -Infinity;
  private isClosed = false;
  private polling: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Pick<ReprocessingClient, 'claim' | 'settle'>,
    private readonly understand: Pick<UnderstandAgain, 'run'>,
    private readonly config: Pick<EdgeConfig, 'isReady'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    metrics: Metrics,
  ) {
    this.outcomes = metrics.counter({
      name: 'posthorn_intake_reprocessed_events_total',
      help: 'Stored events that were not understood, parsed again: understood, left, postponed',
      labels: ['outcome'],
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.tick(), POLL_MS).unref();
  }

  /** Runs before the stream to the log ends. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    await this.polling;
  }

  private tick(): void {
    if (this.polling !== undefined || !this.config.isReady || this.clock.monotonicMs() < this.dueAtMs) return;
    this.polling = this.poll().finally(() => (this.polling = undefined));
  }

  /** Never rejects. What could not be settled is claimed again after the lease, and met by its dedup keys. */
  private async poll(): Promise<void> {
    this.dueAtMs = this.clock.monotonicMs() + IDLE_POLL_MS;
    try {
      const claimed = await this.client.claim(LEASE_SECONDS);
      if (claimed === undefined) return;
      this.dueAtMs = -Infinity;
      const { tenantId, reprocessingId, requests } = claimed;
      if (requests.length === 0) return;
      const { understood, personHashes, isPostponed } = await this.pageOf(tenantId, requests);
      const outcome = isPostponed ? PAGE_OUTCOME.postponed : PAGE_OUTCOME.done;
      await this.client.settle({
        ...{ tenantId, reprocessingId, outcome, personHashes },
        understoodEventIds: isPostponed ? [] : understood,
      });
      const total = requests.reduce((sum, { originals }) => sum + originals.length, 0);
      if (isPostponed) return this.outcomes.inc({ outcome: 'postponed' }, total);
      this.outcomes.inc({ outcome: 'understood' }, understood.length);
      this.outcomes.inc({ outcome: 'left' }, total - understood.length);
    } catch (err) {
      this.tell(err, 'stored requests could not be parsed again');
    }
  }

  private async pageOf(tenantId: Buffer, requests: readonly StoredRequest[]): Promise<Page> {
    const page: Page = { understood: [], personHashes: [], isPostponed: false };
    const startedMs = this.clock.monotonicMs();
    for (const request of requests) {
      page.isPostponed = this.isClosed || this.clock.monotonicMs() - startedMs > PAGE_MS_MAX;
      if (page.isPostponed) break;
      try {
        const { understood, personHashes } = await this.understand.run(tenantId, request);
        page.understood.push(...understood);
        page.personHashes.push(...personHashes);
      } catch (error) {
        page.isPostponed = error instanceof AppError && error.entry.retryable;
        if (page.isPostponed) break;
        this.tell(error, 'a stored request could not be parsed again and is left');
      }
    }
    return page;
  }

  private tell(err: unknown, message: string): void {
    const count = this.budget.take(this.clock.monotonicMs());
    if (count !== undefined) this.log.warn({ stage: 'reprocess', err, count }, message);
  }
}
