import {
  type Metadata,
  type ServerInterceptor,
  ServerInterceptingCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { AppError } from '@posthorn/errors/app-error.js';
import { isErrorCode } from '@posthorn/errors/registry.js';
import { codeOfStatus, statusOf } from './grpc-errors.js';
import { TRACEPARENT_KEY } from './grpc-client.js';
import { CALL_BUCKETS } from './metrics.js';
import { type Process } from './process.js';
import { type Span } from './trace.js';

/** One service of the contract, and who may call it. */
export interface GrpcExposure {
  /** A generated service object, such as `AppendServiceService`. */
  readonly definition: ServiceDefinition;
  /** Names of the services whose certificate may call it. */
  readonly callers: readonly string[];
}

const CALLER_KEY = 'posthorn-caller';

interface PeerIdentity {
  readonly sslPeerCertificate?: { readonly subject?: { readonly CN?: unknown } };
}

/** The service that a client certificate names, or undefined without one. */
function callerOf({ sslPeerCertificate }: PeerIdentity): string | undefined {
  const name: unknown = sslPeerCertificate?.subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** The W3C traceparent that a call carries; in a handler it is the one of the server's own span. */
export function traceparentOf(metadata: Metadata): string | undefined {
  const value = metadata.get(TRACEPARENT_KEY)[0];
  return typeof value === 'string' ? value : undefined;
}

/**
 * Stands before every handler: who calls, may they, and afterwards how it ended and how long it took.
 * Why not a Nest guard and interceptor: those run per message and build a context object for each.
 */
export function grpcInterceptor(
  process: Pick<Process, 'clock' | 'metrics' | 'tracer' | 'log'>,
  exposures: readonly GrpcExposure[],
): ServerInterceptor {
  const callers = callersByPath(exposures);
  const seconds = process.metrics.histogram({
    name: 'posthorn_grpc_server_call_seconds',
    help: 'Duration of unary calls that this process answered',
    labels: ['method'],
    buckets: CALL_BUCKETS,
  });
  const calls = process.metrics.counter({
    name: 'posthorn_grpc_server_calls_total',
    help: 'Calls that this process answered, by error code; streams when they end',
    labels: ['method', 'code'],
  });
  const refused = process.metrics.counter({
    name: 'posthorn_grpc_refused_callers_total',
    help: 'Calls of somebody without a certificate, or with one whose service may not call this',
  });
  return ({ path, requestStream, responseStream }, call) => {
    const isUnary = !requestStream && !responseStream;
    const startMs = process.clock.monotonicMs();
    let span: Span | undefined;
    let isFinished = false;
    const finish = (code: string): void => {
      if (isFinished) return;
      isFinished = true;
      calls.inc({ method: path, code });
      if (isUnary) seconds.observe((process.clock.monotonicMs() - startMs) / 1_000, { method: path });
      span?.end(
        undefined,
        code === 'ok' ? undefined : new AppError(isErrorCode(code) ? code : 'request.timeout'),
      );
    };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, forward) => {
            const caller = callerOf(call.getAuthContext());
            if (caller === undefined || callers.get(path)?.has(caller) !== true) {
              refused.inc();
              process.log.warn({ caller, method: path, code: 'caller.forbidden' }, 'a call was refused');
              finish('caller.forbidden');
              return call.sendStatus(statusOf(new AppError('caller.forbidden')));
            }
            const parent = isUnary ? traceparentOf(metadata) : undefined;
            if (parent !== undefined) {
              span = process.tracer.start(path, { parent, kind: 'server', attributes: { caller } });
              metadata.set(TRACEPARENT_KEY, span.traceparent);
            }
            metadata.set(CALLER_KEY, caller); // never what the client may have put there
            forward(metadata);
          },
          onCancel: () => finish('cancelled'),
        }),
      sendStatus: (status, next) => {
        finish(codeOfStatus(status));
        next(status);
      },
    });
  };
}

/** The service that makes this call, by its certificate. For handlers; the interceptor wrote it. */
export function callerOfCall(metadata: Metadata): string {
  return String(metadata.get(CALLER_KEY)[0] ?? '');
}

function callersByPath(exposures: readonly GrpcExposure[]): ReadonlyMap<string, ReadonlySet<string>> {
  const callers = new Map<string, ReadonlySet<string>>();
  for (const { definition, callers: names } of exposures) {
    const allowed = new Set(names);
    for (const { path } of Object.values(definition)) callers.set(path, allowed);
  }
  return callers;
}
