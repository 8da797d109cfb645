import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import { decodeSigningSecret, signStandardWebhook } from '@posthorn/crypto/signing-secret.js';
import type { EdgeDestination } from '@posthorn/edge-config/edge-config.js';
import { type EgressClient, outcomeOfError } from '@posthorn/egress/egress-client.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Span, Tracer } from '@posthorn/server/trace.js';
import { type Delivery } from '../domain/delivery.js';
import { handoffPart, wantsHandoff } from '../domain/handoff-part.js';
import { type AttemptResult, obeysRetryAfter, parseRetryAfter } from '../domain/retry-policy.js';
import { renderBody } from '../domain/webhook-body.js';
import type { AskHandoffs } from './ask-handoffs.js';
import type { DeliveryMetrics } from './delivery-metrics.js';

/** What one POST carries. */
export interface Webhook {
  /** `fct_…`: the same on every attempt. */
  readonly id: string;
  readonly body: Buffer;
  readonly traceparent: string;
  readonly onFirstByte?: () => void;
}

/** Who we say we are. */
export class UserAgent {
  constructor(readonly text: string) {}
}

const MS_PER_SECOND = 1_000;
const DETAIL_LENGTH_MAX = 200;
/** The message itself, and what belongs to the connection: a destination's own headers do not replace these. */
const RESERVED_HEADERS =
  /^(webhook-.*|host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-.*|traceparent|tracestate|user-agent)$/i;
const SAMPLED = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]/;

type Secrets = ReturnType<EdgeDestination['secretsAt']>;

/** Signs and posts once. */
export class SendWebhook {
  private readonly keys = new WeakMap<Secrets, readonly Buffer[]>();
  private readonly headers = new WeakMap<EdgeDestination, Readonly<Record<string, string>>>();

  constructor(
    private readonly egress: Pick<EgressClient, 'post'>,
    private readonly tracer: Pick<Tracer, 'start'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'error'>,
    private readonly metrics: Pick<DeliveryMetrics, 'onAttempt' | 'onFirstByte'>,
    private readonly userAgent: UserAgent,
    private readonly handoffs: Pick<AskHandoffs, 'of'>,
  ) {}

  /** One attempt of a delivery. Never throws: whatever happens is its result. */
  async deliver(
    delivery: Delivery,
    destination: EdgeDestination,
    tenantSlug: string,
  ): Promise<AttemptResult> {
    const { fact } = delivery;
    let handoff: object | undefined;
    if (wantsHandoff(destination.include, fact)) {
      const startedAtMs = this.clock.nowMs();
      try {
        handoff = handoffPart(destination.include, await this.handoffs.of(fact));
      } catch (error) {
        return this.withoutContent(destination, startedAtMs, error);
      }
    }
    return this.send(destination, {
      id: formatId('fct', fact.factId),
      body: renderBody(fact, tenantSlug, handoff),
      traceparent: fact.traceparent,
      ...(delivery.attemptCount === 0 && {
        onFirstByte: () => this.metrics.onFirstByte(this.clock.nowMs() - fact.receivedAtMs),
      }),
    });
  }

  /** Never throws. */
  async send(destination: EdgeDestination, webhook: Webhook): Promise<AttemptResult> {
    const startedAtMs = this.clock.nowMs();
    const startMs = this.clock.monotonicMs();
    const span = this.startSpan(destination, webhook.traceparent);
    let result: AttemptResult;
    try {
      const { status, headers, durationMs } = await this.egress.post({
        url: destination.url,
        headers: this.headersOf(destination, webhook, startedAtMs, span?.traceparent ?? webhook.traceparent),
        body: webhook.body,
        lane: destination.id,
        ...(webhook.onFirstByte !== undefined && { onFirstByte: webhook.onFirstByte }),
      });
      const retryAfterMs = obeysRetryAfter(status)
        ? parseRetryAfter(headers['retry-after'], this.clock.nowMs())
        : undefined;
      const isTaken = status >= 200 && status < 300;
      const detail = isTaken ? '' : `HTTP ${status}`;
      const outcome = isTaken ? 'succeeded' : 'http_error';
      result = { outcome, status, startedAtMs, durationMs, detail, retryAfterMs };
      span?.set('status', status);
    } catch (error) {
      result = {
        outcome: outcomeOfError(error),
        status: 0,
        startedAtMs,
        durationMs: this.clock.monotonicMs() - startMs,
        detail: this.detailOf(error, destination),
        retryAfterMs: undefined,
      };
    }
    span?.set('outcome', result.outcome);
    span?.end(undefined, result.outcome === 'succeeded' ? undefined : new AppError('egress.failed'));
    this.metrics.onAttempt(result.outcome, result.durationMs);
    return result;
  }

  private withoutContent(destination: EdgeDestination, startedAtMs: number, error: unknown): AttemptResult {
    const durationMs = this.clock.nowMs() - startedAtMs;
    this.metrics.onAttempt('content_unavailable', durationMs);
    const detail = this.detailOf(error, destination);
    const outcome = 'content_unavailable';
    return { outcome, status: 0, startedAtMs, durationMs, detail, retryAfterMs: undefined };
  }

  private startSpan(destination: EdgeDestination, parent: string): Span | undefined {
    // Without a parent the tracer decides; an unsampled parent is handed on as it is.
    if (parent !== '' && !SAMPLED.test(parent)) return undefined;
    return this.tracer.start('delivery.attempt', {
      kind: 'client',
      ...(parent !== '' && { parent }),
      attributes: { destinationId: destination.id, tenantId: destination.tenantId },
    });
  }

  private headersOf(
    destination: EdgeDestination,
    webhook: Webhook,
    nowMs: number,
    traceparent: string,
  ): Record<string, string> {
    const timestamp = Math.floor(nowMs / MS_PER_SECOND);
    const keys = this.keysOf(destination, nowMs);
    return {
      ...this.ownHeadersOf(destination),
      'content-type': 'application/json',
      'user-agent': this.userAgent.text,
      'webhook-id': webhook.id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signStandardWebhook(keys, webhook.id, timestamp, webhook.body),
      traceparent,
    };
  }

  /** One key per secret valid now: during a rotation the destination may check with either. */
  private keysOf(destination: EdgeDestination, nowMs: number): readonly Buffer[] {
    const secrets = destination.secretsAt(nowMs);
    let keys = this.keys.get(secrets);
    if (keys === undefined) {
      keys = secrets.map(({ value }) => decodeSigningSecret(value));
      this.keys.set(secrets, keys);
    }
    if (keys.length === 0) throw new AppError('secret.not_found');
    return keys;
  }

  private ownHeadersOf(destination: EdgeDestination): Readonly<Record<string, string>> {
    let own = this.headers.get(destination);
    if (own === undefined) {
      const allowed = Object.entries(destination.headers).filter(([name]) => !RESERVED_HEADERS.test(name));
      own = Object.fromEntries(allowed.map(([name, value]) => [name.toLowerCase(), value]));
      this.headers.set(destination, own);
    }
    return own;
  }

  private detailOf(error: unknown, destination: EdgeDestination): string {
    if (error instanceof AppError) return (error.detail ?? error.code).slice(0, DETAIL_LENGTH_MAX);
    this.log.error({ destinationId: destination.id, err: error }, 'an attempt ended with a bug');
    return 'internal error';
  }
}
