import { type Metadata, type ServiceDefinition } from '@grpc/grpc-js';
import { AppError } from '@posthorn/errors/app-error.js';
import { isErrorCode } from '@posthorn/errors/registry.js';
import { TRACEPARENT_KEY } from './grpc-client.js';
import { CALL_BUCKETS, type Counter, type Histogram } from './metrics.js';
import { type Process } from './process.js';
import { type Span } from './trace.js';

/** One service of the contract, and who may call it. */
export interface GrpcExposure {
  /** A generated service object, such as `AppendServiceService`. */
  readonly definition: ServiceDefinition;
  /** Names of the services whose certificate may call it. */
  readonly callers: readonly string[];
}

/** One call that was let in. */
export interface BookedCall {
  readonly path: string;
  readonly caller: string;
  /** A stream's duration says nothing: it is not measured, and its messages hang on their own traces. */
  readonly isUnary: boolean;
}

const CALLER_KEY = 'posthorn-caller';

/** The W3C traceparent that a call carries; in a handler it is the one of the server's own span. */
export function traceparentOf(metadata: Metadata): string | undefined {
  const value = metadata.get(TRACEPARENT_KEY)[0];
  return typeof value === 'string' ? value : undefined;
}

/** The service that makes this call, by its certificate. For handlers; the book wrote it. */
export function callerOfCall(metadata: Metadata): string {
  return String(metadata.get(CALLER_KEY)[0] ?? '');
}

/** Who may call what on this server, and of every call how it ended and how long it took. */
export class CallBook {
  private readonly callers: ReadonlyMap<string, ReadonlySet<string>>;
  private readonly seconds: Histogram;
  private readonly calls: Counter;
  private readonly refused: Counter;

  constructor(
    private readonly process: Pick<Process, 'clock' | 'metrics' | 'tracer' | 'log'>,
    exposures: readonly GrpcExposure[],
  ) {
    this.callers = callersByPath(exposures);
    this.seconds = process.metrics.histogram({
      name: 'posthorn_grpc_server_call_seconds',
      help: 'Duration of unary calls that this process answered',
      labels: ['method'],
      buckets: CALL_BUCKETS,
    });
    this.calls = process.metrics.counter({
      name: 'posthorn_grpc_server_calls_total',
      help: 'Calls that this process answered, by error code; streams when they end',
      labels: ['method', 'code'],
    });
    this.refused = process.metrics.counter({
      name: 'posthorn_grpc_refused_callers_total',
      help: 'Calls of somebody without a certificate, or with one whose service may not call this',
    });
  }

  /** Whether this caller may make this call; one that may not is noted. @param caller undefined: without a certificate. */
  admits(path: string, caller: string | undefined): caller is string {
    if (caller !== undefined && this.callers.get(path)?.has(caller) === true) return true;
    this.refused.inc();
    this.process.log.warn({ caller, method: path, code: 'caller.forbidden' }, 'a call was refused');
    this.calls.inc({ method: path, code: 'caller.forbidden' });
    return false;
  }

  /**
   * Writes into the metadata who calls, and on which span its handler hangs.
   * @returns to be told how the call ended: an error code, `ok` or `cancelled`; only the first time counts.
   */
  begin({ path, caller, isUnary }: BookedCall, metadata: Metadata): (code: string) => void {
    const { clock, tracer } = this.process;
    const startMs = clock.monotonicMs();
    const parent = isUnary ? traceparentOf(metadata) : undefined;
    let span: Span | undefined;
    if (parent !== undefined) {
      span = tracer.start(path, { parent, kind: 'server', attributes: { caller } });
      metadata.set(TRACEPARENT_KEY, span.traceparent);
    }
    metadata.set(CALLER_KEY, caller); // never what the client may have put there
    let isFinished = false;
    return (code) => {
      if (isFinished) return;
      isFinished = true;
      this.calls.inc({ method: path, code });
      if (isUnary) this.seconds.observe((clock.monotonicMs() - startMs) / 1_000, { method: path });
      span?.end(
        undefined,
        code === 'ok' ? undefined : new AppError(isErrorCode(code) ? code : 'request.timeout'),
      );
    };
  }
}

function callersByPath(exposures: readonly GrpcExposure[]): ReadonlyMap<string, ReadonlySet<string>> {
  const callers = new Map<string, ReadonlySet<string>>();
  for (const { definition, callers: names } of exposures) {
    const allowed = new Set(names);
    for (const { path } of Object.values(definition)) callers.set(path, allowed);
  }
  return callers;
}
