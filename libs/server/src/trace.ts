import { randomFillSync } from 'node:crypto';
import {
  type Attributes,
  context,
  diag,
  type HrTime,
  isSpanContextValid,
  type Span as OtelSpan,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer as OtelTracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { isLogField, logValue } from './log-fields.js';

export type SpanKindName = 'server' | 'client' | 'producer' | 'consumer' | 'internal';

/** How a span begins. */
export interface SpanOptions {
  /** W3C traceparent of what caused it. */
  readonly parent?: string;
  /** W3C traceparents of what it also belongs to, such as the events of a batch. */
  readonly links?: readonly string[];
  readonly kind?: SpanKindName;
  /** Unix milliseconds; now without it. */
  readonly startMs?: number;
  /** Names are those of LOG_FIELDS; others are dropped. */
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** One stretch of work in a trace. */
export interface Span {
  /** W3C traceparent to hand on, always valid. */
  readonly traceparent: string;
  readonly isSampled: boolean;
  /** @param name one of LOG_FIELDS; others are dropped. */
  set(name: string, value: string | number): void;
  /** @param endMs Unix milliseconds; now without it. @param error marks the span as failed, by its code. */
  end(endMs?: number, error?: unknown): void;
}

/** Where and how much a process traces. */
export interface TracerOptions {
  readonly service: string;
  readonly instanceId: string;
  readonly clock: Clock;
  /** Share of new traces that are recorded, 0 to 1. */
  readonly sampleRatio: number;
  /** Base URL of an OTLP/HTTP collector, or empty: nothing is exported. */
  readonly endpoint: string;
  readonly onExportError?: (error: unknown) => void;
}

const KINDS: Record<SpanKindName, SpanKind> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};
/** Source: W3C Trace Context, section 3.2; version ff is invalid, later versions may be longer. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SPANS_WAITING_MAX = 4_096;
const SPANS_PER_EXPORT = 512;
const EXPORT_INTERVAL_MS = 2_000;
const EXPORT_TIMEOUT_MS = 5_000;
const LINKS_MAX = 32;
const ID_POOL_BYTES = 24 * 256;
const ID_BYTES = 24;
const RANDOM_MAX = 0xffff_ffff;

/**
 * Makes the spans of one process by hand: nothing is wrapped, and what is not sampled costs a few bytes of
 * text. A trace is recorded as a whole or not at all: the first span decides, the others follow its flag.
 */
export class Tracer {
  private readonly tracer: OtelTracer | undefined;
  private readonly provider: BasicTracerProvider | undefined;
  private readonly pool = Buffer.alloc(ID_POOL_BYTES);
  private poolOffset = ID_POOL_BYTES;

  constructor(private readonly options: TracerOptions) {
    if (options.endpoint === '') return;
    reportExportErrors(options.onExportError ?? (() => {}));
    const exporter = new OTLPTraceExporter({
      url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces`,
      timeoutMillis: EXPORT_TIMEOUT_MS,
    });
    this.provider = new BasicTracerProvider({
      resource: resourceFromAttributes({
        'service.namespace': 'posthorn',
        'service.name': options.service,
        'service.instance.id': options.instanceId,
      }),
      spanLimits: { linkCountLimit: LINKS_MAX },
      spanProcessors: [
        new BatchSpanProcessor(exporter, {
          maxQueueSize: SPANS_WAITING_MAX,
          maxExportBatchSize: SPANS_PER_EXPORT,
          scheduledDelayMillis: EXPORT_INTERVAL_MS,
          exportTimeoutMillis: EXPORT_TIMEOUT_MS,
        }),
      ],
    });
    this.tracer = this.provider.getTracer('posthorn');
  }

  start(name: string, options: SpanOptions = {}): Span {
    const parent = options.parent === undefined ? undefined : parseTraceparent(options.parent);
    const isSampled =
      parent === undefined ? this.isNewTraceSampled() : (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
    if (!isSampled || this.tracer === undefined) {
      // Nothing is recorded here, so what comes next hangs on what came before.
      return new SilentSpan(
        parent === undefined ? this.newTraceparent(isSampled) : options.parent!,
        isSampled,
      );
    }
    return this.record(this.tracer, name, options, parent);
  }

  /** Sends what waits. */
  async flush(): Promise<void> {
    await this.provider?.forceFlush().catch((error: unknown) => this.options.onExportError?.(error));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.provider?.shutdown().catch((error: unknown) => this.options.onExportError?.(error));
  }

  private record(
    tracer: OtelTracer,
    name: string,
    { kind = 'internal', startMs, links = [], attributes = {} }: SpanOptions,
    parent: SpanContext | undefined,
  ): Span {
    const root = context.active();
    const span = tracer.startSpan(
      name,
      {
        kind: KINDS[kind],
        startTime: hrTime(startMs ?? this.options.clock.nowMs()),
        attributes: allowedOf(attributes),
        links: links.slice(0, LINKS_MAX).flatMap((link) => {
          const linked = parseTraceparent(link);
          return linked === undefined ? [] : [{ context: linked }];
        }),
        root: parent === undefined,
      },
      parent === undefined ? root : trace.setSpanContext(root, parent),
    );
    return new RecordedSpan(span, this.options.clock);
  }

  private isNewTraceSampled(): boolean {
    const { sampleRatio } = this.options;
    if (sampleRatio <= 0) return false;
    return sampleRatio >= 1 || this.randomBytes().readUInt32BE(0) / RANDOM_MAX < sampleRatio;
  }

  private newTraceparent(isSampled: boolean): string {
    const random = this.randomBytes();
    random[0]! |= 1; // an ID of zeros alone is invalid
    random[16]! |= 1;
    return `00-${random.toString('hex', 0, 16)}-${random.toString('hex', 16, 24)}-0${isSampled ? 1 : 0}`;
  }

  private randomBytes(): Buffer {
    if (this.poolOffset + ID_BYTES > ID_POOL_BYTES) {
      randomFillSync(this.pool);
      this.poolOffset = 0;
    }
    const random = this.pool.subarray(this.poolOffset, this.poolOffset + ID_BYTES);
    this.poolOffset += ID_BYTES;
    return random;
  }
}

/** OpenTelemetry tells of failed exports in the background only through its own logger, one per process. */
function reportExportErrors(report: (error: unknown) => void): void {
  const quiet = (): void => {};
  const error = (message: string): void => report(new Error(message));
  diag.setLogger(
    { error, warn: quiet, info: quiet, debug: quiet, verbose: quiet },
    { suppressOverrideMessage: true },
  );
}

/** Only the IDs: not sampled, or nowhere to send it. */
class SilentSpan implements Span {
  constructor(
    readonly traceparent: string,
    readonly isSampled: boolean,
  ) {}

  set(): void {}

  end(): void {}
}

class RecordedSpan implements Span {
  readonly traceparent: string;
  readonly isSampled = true;

  constructor(
    private readonly span: OtelSpan,
    private readonly clock: Clock,
  ) {
    const { traceId, spanId } = span.spanContext();
    this.traceparent = `00-${traceId}-${spanId}-01`;
  }

  set(name: string, value: string | number): void {
    this.span.setAttributes(allowedOf({ [name]: value }));
  }

  end(endMs?: number, error?: unknown): void {
    if (error !== undefined) {
      const code = error instanceof AppError ? error.code : 'internal.error';
      this.span.setAttributes(allowedOf({ code }));
      this.span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    }
    this.span.end(hrTime(endMs ?? this.clock.nowMs()));
  }
}

/** The parts of a W3C traceparent, or undefined when it is not a valid one. */
export function parseTraceparent(text: string): SpanContext | undefined {
  const match = TRACEPARENT.exec(text);
  if (match === null) return undefined;
  const parsed: SpanContext = {
    traceId: match[1]!,
    spanId: match[2]!,
    traceFlags: parseInt(match[3]!, 16),
    isRemote: true,
  };
  return isSpanContextValid(parsed) ? parsed : undefined;
}

function allowedOf(attributes: Readonly<Record<string, string | number>>): Attributes {
  const allowed: Attributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (isLogField(name)) allowed[`posthorn.${name}`] = logValue(value);
  }
  return allowed;
}

/** Why not the number itself: OpenTelemetry takes small numbers for readings of performance.now(). */
const hrTime = (unixMs: number): HrTime => {
  const seconds = Math.floor(unixMs / 1_000);
  return [seconds, Math.round((unixMs - seconds * 1_000) * 1_000_000)];
};
