import type { Clock } from '@posthorn/clock/clock.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import type { EdgeSource, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Metrics } from '@posthorn/server/metrics.js';
import { encodeRefusedRequest } from '../clients/intake-message.js';
import { REFUSALS_PER_CALL_MAX, type Refusal, type RefusalClient } from '../clients/refusal.client.js';
import { harmlessHeaders } from '../domain/harmless-headers.js';
import { LogBudget } from '../domain/log-budget.js';
import { TokenBucket } from '../domain/token-bucket.js';
import type { ArrivedRequest } from './arrived-request.js';

/** Of one source in one process: enough for a provider that goes on under a wrong secret, too little for a flood. */
const PER_SECOND = 20;
const BURST = 200;
const WAITING_MAX = 512;
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const BYTES_PER_CALL_MAX = 4 * 1024 * 1024;
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 10_000;
const LINES_MAX = 5;
const LINES_WINDOW_MS = 10_000;

/** A request that was refused for its signature. */
export interface RefusedRequest {
  readonly tenant: EdgeTenant;
  readonly source: EdgeSource;
  readonly requestUuid: Buffer;
  readonly arrived: ArrivedRequest;
  readonly receivedAtMs: number;
  /** The error code that the provider was answered with. */
  readonly cause: string;
}

/**
 * Has refused requests kept, encrypted, so that a wrongly configured secret loses nothing.
 * The provider's answer never waits for it, and what is too much is dropped and counted: who posts anything at all
 * can have requests refused.
 */
export class KeepRefusals {
  private readonly buckets = new WeakMap<EdgeSource, TokenBucket>();
  private readonly waiting: Refusal[] = [];
  private readonly budget = new LogBudget(LINES_MAX, LINES_WINDOW_MS);
  private readonly outcomes;
  private waitingBytes = 0;
  private failures = 0;
  private isClosed = false;
  private sending: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Pick<RefusalClient, 'keep'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    metrics: Metrics,
  ) {
    this.outcomes = metrics.counter({
      name: 'posthorn_intake_refusals_total',
      help: 'Requests refused for their signature: kept, full (the source has as many as it may), dropped',
      labels: ['outcome'],
    });
  }

  /** What waits is tried once more; what fails then is gone. */
  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    await this.sending;
    while (this.waiting.length > 0) await this.send();
  }

  /** Never throws. */
  keep(refused: RefusedRequest): void {
    const { tenant, source, requestUuid, arrived, receivedAtMs, cause } = refused;
    const box = tenant.boxFor(receivedAtMs);
    const isRoom = this.waiting.length < WAITING_MAX && this.waitingBytes < WAITING_BYTES_MAX;
    if (box === undefined || !isRoom || this.isClosed || !this.mayKeep(source)) {
      this.outcomes.inc({ outcome: 'dropped' });
      return;
    }
    const raw = box.seal(encodeRefusedRequest(arrived), sealAad('raw', tenant.uuid, requestUuid));
    this.waitingBytes += raw.length;
    this.waiting.push({
      ...{ requestId: requestUuid, tenantId: tenant.uuid, sourceId: source.uuid, provider: source.provider },
      ...{ receivedAtMs, cause, headers: harmlessHeaders(arrived.rawHeaders), dataKeyId: box.keyId, raw },
      traceparent: arrived.traceparent ?? '',
    });
    this.pump();
  }

  private mayKeep(source: EdgeSource): boolean {
    let bucket = this.buckets.get(source);
    if (bucket === undefined) this.buckets.set(source, (bucket = new TokenBucket(PER_SECOND, BURST)));
    return bucket.take(this.clock.monotonicMs()) === 0;
  }

  /** One call at a time: what a source sent first is kept first. */
  private pump(): void {
    if (this.sending !== undefined || this.timer !== undefined || this.waiting.length === 0) return;
    this.sending = this.send().finally(() => {
      this.sending = undefined;
      if (this.isClosed) return;
      if (this.failures === 0) return this.pump();
      const delayMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (this.failures - 1));
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.pump();
      }, delayMs).unref();
    });
  }

  /** Never rejects. */
  private async send(): Promise<void> {
    const batch = this.takeBatch();
    try {
      const isKept = await this.client.keep(batch);
      this.failures = 0;
      const kept = isKept.filter((each) => each).length;
      this.outcomes.inc({ outcome: 'kept' }, kept);
      this.outcomes.inc({ outcome: 'full' }, batch.length - kept);
    } catch (error) {
      this.failed(batch, error);
    }
  }

  private failed(batch: readonly Refusal[], error: unknown): void {
    this.failures += 1;
    const isWorthwhile = error instanceof AppError && error.entry.retryable && !this.isClosed;
    if (isWorthwhile) {
      this.waiting.unshift(...batch);
      for (const { raw } of batch) this.waitingBytes += raw.length;
    } else this.outcomes.inc({ outcome: 'dropped' }, batch.length);
    const held = this.budget.take(this.clock.monotonicMs());
    if (held === undefined) return;
    const count = batch.length + held;
    this.log.warn({ stage: 'refusals', err: error, count }, 'refused requests could not be kept');
  }

  private takeBatch(): Refusal[] {
    let [count, bytes] = [0, 0];
    while (count < this.waiting.length && count < REFUSALS_PER_CALL_MAX) {
      bytes += this.waiting[count]!.raw.length;
      if (count > 0 && bytes > BYTES_PER_CALL_MAX) break;
      count += 1;
    }
    const batch = this.waiting.splice(0, count);
    for (const { raw } of batch) this.waitingBytes -= raw.length;
    return batch;
  }
}
