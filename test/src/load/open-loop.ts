import { Pool } from 'undici';
import { type Random } from '../wire/random.js';
import { monotonicMs, pause } from '../wire/time.js';
import { type History, outcomeOf, type PlannedRequest, type SentRequest } from './history.js';
import { Latency } from './latency.js';

/** How a sender behaves. */
export interface OpenLoopOptions {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly next: () => PlannedRequest;
  readonly history: History;
  readonly random: Random;
  /** As many as there are requests in flight unless this is less: what waits for a connection then looks slow. */
  readonly connections?: number;
  /** Where the requests go when it is not where their URLs say: they come to a name that a proxy would answer to. */
  readonly origin?: string;
  /** Ends the run before its time. */
  readonly isOver?: () => boolean;
  /** A real provider's patience. */
  readonly timeoutMs?: number;
  /** The share of requests that are sent again for no reason, while or after the first is under way. */
  readonly duplicateShare?: number;
  /** Retries of what got 5xx, 429 or no answer: pause between tries, and how long after the end they go on. */
  readonly retry?: { readonly delayMs: number; readonly graceMs: number };
  readonly inFlightMax?: number;
  readonly onAnswer?: (request: SentRequest, status: number, latencyMs: number) => void;
}

/** What a run of the sender measured. */
export interface LoadResult {
  /** From the intended time of the first attempt to its 2xx. */
  readonly latency: Latency;
  readonly sent: number;
  /** Requests that could not leave in time because too many were in flight: the run is not valid then. */
  readonly skipped: number;
  readonly statuses: Readonly<Record<number, number>>;
  readonly durationMs: number;
}

/** A provider waits longer each time; one that did not would be another fault. */
const RETRY_FACTOR = 2;
const RETRY_DELAY_MS_MAX = 2_000;
const SPONTANEOUS_DELAY_MS = 400;
const TICK_MS = 1;
const IN_FLIGHT_MAX = 4_000;

/**
 * Sends on a fixed schedule, whatever the answers do. Why: a sender that waits for answers stops asking
 * exactly while the server is slow, and so hides what real providers would see.
 */
export class OpenLoop {
  private readonly pools = new Map<string, Pool>();
  private readonly latency = new Latency();
  private readonly statuses: Record<number, number> = {};
  private inFlight = 0;
  private skipped = 0;
  private readonly followUps = new Set<Promise<void>>();
  private endMs = 0;

  constructor(private readonly options: OpenLoopOptions) {}

  /** @returns when every request has its answer or used up its grace. */
  async run(): Promise<LoadResult> {
    const { ratePerSecond, durationMs, inFlightMax = IN_FLIGHT_MAX, isOver = () => false } = this.options;
    const startMs = monotonicMs();
    this.endMs = startMs + durationMs;
    const total = Math.floor((ratePerSecond * durationMs) / 1000);
    let sent = 0;
    while (sent < total && !isOver()) {
      const due = Math.min(total, Math.floor(((monotonicMs() - startMs) * ratePerSecond) / 1000) + 1);
      for (; sent < due; sent++) {
        const intendedMs = startMs + (sent * 1000) / ratePerSecond;
        if (this.inFlight >= inFlightMax) this.skipped++;
        else this.follow(this.first(this.options.next(), intendedMs));
      }
      await pause(TICK_MS);
    }
    this.endMs = Math.min(this.endMs, monotonicMs());
    while (this.followUps.size > 0) await Promise.all(this.followUps);
    const elapsedMs = monotonicMs() - startMs;
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
    const { latency, skipped, statuses } = this;
    return { latency, sent: sent - skipped, skipped, statuses, durationMs: elapsedMs };
  }

  private follow(work: Promise<void>): void {
    this.followUps.add(work);
    void work.finally(() => this.followUps.delete(work));
  }

  private async first(request: PlannedRequest, intendedMs: number): Promise<void> {
    const { history, random, duplicateShare = 0 } = this.options;
    const sent = history.open(request);
    if (random.chance(duplicateShare)) this.follow(this.again(request, sent, random.next()));
    const status = await this.attempt(request, sent, intendedMs);
    const latencyMs = sent.attempts.at(-1)!.answeredMs - intendedMs;
    if (isSuccess(status)) this.latency.record(latencyMs);
    this.options.onAnswer?.(sent, status, latencyMs);
    await this.retry(request, sent, status);
  }

  private async again(request: PlannedRequest, sent: SentRequest, delay: number): Promise<void> {
    await pause(delay * SPONTANEOUS_DELAY_MS);
    await this.attempt(request, sent, monotonicMs());
  }

  private async retry(request: PlannedRequest, sent: SentRequest, first: number): Promise<void> {
    const { retry, random } = this.options;
    if (retry === undefined) return;
    let [status, { delayMs }] = [first, retry];
    while (isRetryable(status) && monotonicMs() < this.endMs + retry.graceMs) {
      await pause(delayMs * random.between(0.5, 1.5));
      delayMs = Math.min(RETRY_DELAY_MS_MAX, delayMs * RETRY_FACTOR);
      if (outcomeOf(sent) === 'acked') return;
      status = await this.attempt(request, sent, monotonicMs());
    }
  }

  private async attempt(request: PlannedRequest, sent: SentRequest, intendedMs: number): Promise<number> {
    const url = new URL(request.url);
    const { timeoutMs = 5_000, origin = url.origin } = this.options;
    this.inFlight++;
    const sentMs = monotonicMs();
    const status = await this.pool(origin)
      .request({
        path: url.pathname + url.search,
        method: 'POST',
        headers: request.headers(Date.now()),
        body: request.body,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      })
      .then(
        async ({ statusCode, body }) => body.dump().then(() => statusCode),
        () => 0,
      );
    this.inFlight--;
    sent.attempts.push({ intendedMs, sentMs, answeredMs: monotonicMs(), status });
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    return status;
  }

  private pool(origin: string): Pool {
    let pool = this.pools.get(origin);
    if (pool === undefined) {
      const { inFlightMax = IN_FLIGHT_MAX, connections = inFlightMax, timeoutMs = 5_000 } = this.options;
      pool = new Pool(origin, { connections, pipelining: 1, connect: { timeout: timeoutMs } });
      this.pools.set(origin, pool);
    }
    return pool;
  }
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;
const isRetryable = (status: number): boolean => status === 0 || status === 429 || status >= 500;
