import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Metrics } from '@posthorn/server/metrics.js';
import { decodeRefusedRequest } from '../clients/intake-message.js';
import { SETTLED, type Refusal, type RefusalClient, type SettledRefusal } from '../clients/refusal.client.js';
import { LogBudget } from '../domain/log-budget.js';
import type { TakeRequest } from './take-request.js';

const POLL_MS = 1_000;
/** Between polls while nothing speaks for there being something. */
const IDLE_POLL_MS = 5_000;
/** So long after a source changed, somebody may ask to judge its requests again. */
const CHANGED_MS = 30_000;
const LEASE_SECONDS = 120;
/** Of one poll; what is not judged by then goes back, long before the lease ends. */
const JUDGE_MS_MAX = 60_000;
const LINES_MAX = 5;
const LINES_WINDOW_MS = 60_000;

/**
 * Judges kept requests again when somebody asked for it, and lets in those that are authentic now: through the way
 * of every request, with the time they came at, each source's in order.
 */
export class JudgeRefusals {
  private readonly budget = new LogBudget(LINES_MAX, LINES_WINDOW_MS);
  private readonly outcomes;
  private polledAtMs = -Infinity;
  private activeUntilMs = -Infinity;
  private isClosed = false;
  private polling: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Pick<RefusalClient, 'claim' | 'settle'>,
    private readonly takeRequest: Pick<TakeRequest, 'runAgain'>,
    private readonly config: Pick<EdgeConfig, 'isReady' | 'tenant' | 'onChange'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    metrics: Metrics,
  ) {
    this.outcomes = metrics.counter({
      name: 'posthorn_intake_rejudged_requests_total',
      help: 'Kept requests judged again: admitted, still_refused, postponed',
      labels: ['outcome'],
    });
  }

  onApplicationBootstrap(): void {
    this.config.onChange(({ sources }) => {
      if (sources.length > 0) this.activeUntilMs = this.clock.monotonicMs() + CHANGED_MS;
    });
    this.timer = setInterval(() => this.tick(), POLL_MS).unref();
  }

  /** Runs before the stream to the log ends: what is being judged is judged to the end. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    await this.polling;
  }

  private tick(): void {
    const nowMs = this.clock.monotonicMs();
    const intervalMs = nowMs < this.activeUntilMs ? POLL_MS : IDLE_POLL_MS;
    // A timer may come a little early.
    const isDue = nowMs - this.polledAtMs >= intervalMs - POLL_MS / 10;
    if (this.polling !== undefined || !isDue || !this.config.isReady) return;
    this.polledAtMs = nowMs;
    this.polling = this.poll(nowMs).finally(() => (this.polling = undefined));
  }

  /** Never rejects. What could not be settled is claimed again after the lease, and met by its dedup keys. */
  private async poll(startedMs: number): Promise<void> {
    try {
      const refusals = await this.client.claim(LEASE_SECONDS);
      if (refusals.length === 0) return;
      this.activeUntilMs = this.clock.monotonicMs() + CHANGED_MS;
      const settled = await Promise.all(bySource(refusals).map((some) => this.judgeAll(some, startedMs)));
      await this.client.settle(settled.flat());
    } catch (error) {
      const held = this.budget.take(this.clock.monotonicMs());
      if (held !== undefined)
        this.log.warn(
          { stage: 'refusals', err: error, count: held },
          'kept requests could not be judged again',
        );
    }
  }

  /** One source's, one after the other: none overtakes one that has to wait. */
  private async judgeAll(refusals: readonly Refusal[], startedMs: number): Promise<SettledRefusal[]> {
    const settled: SettledRefusal[] = [];
    let isStopped = false;
    for (const refusal of refusals) {
      isStopped ||= this.isClosed || this.clock.monotonicMs() - startedMs > JUDGE_MS_MAX;
      const error = isStopped ? new AppError('service.deadline') : await this.judge(refusal);
      const outcome = outcomeOf(error);
      isStopped ||= outcome === 'postponed';
      this.outcomes.inc({ outcome: outcome === 'stillRefused' ? 'still_refused' : outcome });
      const { requestId, tenantId } = refusal;
      settled.push({ requestId, tenantId, outcome: SETTLED[outcome], cause: error?.code ?? '' });
    }
    return settled;
  }

  /** @returns why it is not in the log; undefined when it is. */
  private async judge(refusal: Refusal): Promise<AppError | undefined> {
    try {
      const tenant = this.config.tenant(formatId('ten', refusal.tenantId));
      if (tenant === undefined) throw new AppError('tenant.not_found');
      const box = tenant.box(refusal.dataKeyId);
      if (box === undefined) throw new AppError('data_key.unavailable');
      const aad = sealAad('raw', refusal.tenantId, refusal.requestId);
      await this.takeRequest.runAgain({
        tenant,
        sourceId: formatId('src', refusal.sourceId),
        requestUuid: refusal.requestId,
        receivedAtMs: refusal.receivedAtMs,
        arrived: decodeRefusedRequest(box.open(refusal.raw, aad), refusal.traceparent),
      });
      return undefined;
    } catch (cause) {
      return cause instanceof AppError ? cause : new AppError('internal.error', { cause });
    }
  }
}

function bySource(refusals: readonly Refusal[]): Refusal[][] {
  const groups = new Map<string, Refusal[]>();
  for (const refusal of refusals) {
    const source = refusal.sourceId.toString('hex');
    const group = groups.get(source);
    if (group === undefined) groups.set(source, [refusal]);
    else group.push(refusal);
  }
  return [...groups.values()];
}

/** A request of a source that lacks its keys or a store that is away is not refused: it is judged later. */
const outcomeOf = (error: AppError | undefined): keyof typeof SETTLED =>
  error === undefined ? 'admitted' : error.entry.retryable ? 'postponed' : 'stillRefused';
