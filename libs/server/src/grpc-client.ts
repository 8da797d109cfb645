import type { Duplex } from 'node:stream';
import {
  Client,
  type ClientDuplexStream,
  connectivityState,
  Metadata,
  type ServiceError,
  status,
  type StatusObject,
} from '@grpc/grpc-js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { CallServiceService } from '@posthorn/contracts/posthorn/calls/v1/calls.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { CallStreams, type CarryClientStream, NOT_CARRIED } from './call-streams.js';
import { letClosingSessionsEnd } from './closing-sessions.js';
import { appErrorOf } from './grpc-errors.js';
import { CALL_BUCKETS, type Counter, type Histogram, type Metrics } from './metrics.js';
import { channelCredentials, type Tls } from './tls.js';
import { type Tracer } from './trace.js';

/** Largest message in either direction. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Metadata keys that every call may carry. */
export const TRACEPARENT_KEY = 'traceparent';
export const TENANT_KEY = 'posthorn-tenant-id';
/** With the answer's head of a stream: milliseconds after which it should give way to a new one. */
export const STREAM_AGE_KEY = 'posthorn-stream-age-ms';

const KEEPALIVE_INTERVAL_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 2_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** A name is asked for again this often at most, when a connection ends. */
const RESOLVE_INTERVAL_MS_MIN = 5_000;
/**
 * What grpc-js says of REFUSED_STREAM, once its own second try met it too: no handler has seen the call.
 * Source: RFC 9113, section 8.7, read 2026-11.
 */
const REFUSED_UNSEEN = 'Stream refused by server';
const REFUSALS_MAX = 3;
/** Before it is sent again, and twice as long each time: so long a busy process may need to hear that the connection ends. */
const REFUSED_PAUSE_MS = 10;
/** Streams of one start do not move at the same moment: each this share earlier at most. */
const STREAM_AGE_JITTER = 0.25;
/** Why not the process' clock: grpc-js compares deadlines with the machine's. */
const machineClock = new SystemClock();

/** How one call is made. */
export interface CallOptions {
  /** Milliseconds from now; every call has one. */
  readonly deadlineMs: number;
  /** W3C traceparent of what causes the call. */
  readonly traceparent?: string;
  readonly tenantId?: string;
}

interface UnaryDefinition<Request, Response> {
  readonly path: string;
  readonly requestStream: false;
  readonly responseStream: false;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** A bidirectional method of a generated service object, such as `AppendServiceService.append`. */
export interface StreamMethodDefinition<Request, Response> {
  readonly path: string;
  readonly requestStream: true;
  readonly responseStream: true;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** The unary methods of a generated service object, as functions. */
export type GrpcClient<S> = {
  readonly [
    K in keyof S as S[K] extends { requestStream: false; responseStream: false } ? K : never
  ]: S[K] extends {
    requestSerialize: (value: infer Request) => Buffer;
    responseDeserialize: (bytes: Buffer) => infer Response;
  }
    ? (request: Request, options: CallOptions) => Promise<Response>
    : never;
};

/** What a channel needs of its process. */
export interface ChannelProcess {
  readonly tls: Tls;
  readonly tracer: Tracer;
  readonly metrics: Metrics;
}

/**
 * One connection to one service, with a certificate on both sides; reconnects by itself.
 * A subclass makes a token for `provideValue` where a process has several.
 */
export class GrpcChannel {
  private readonly client: Client;
  private readonly seconds: Histogram;
  private readonly failures: Counter;
  private readonly tracer: Tracer;
  private readonly streams = new CallStreams(() => this.carryStream());

  /** @param peer service name, which the server's certificate must carry. @throws AppError `config.invalid` */
  constructor(
    process: ChannelProcess,
    address: string,
    readonly peer: string,
  ) {
    letClosingSessionsEnd();
    this.tracer = process.tracer;
    this.seconds = process.metrics.histogram({
      name: 'posthorn_grpc_client_call_seconds',
      help: 'Duration of unary calls to other services',
      labels: ['peer', 'method'],
      buckets: CALL_BUCKETS,
    });
    this.failures = process.metrics.counter({
      name: 'posthorn_grpc_client_failures_total',
      help: 'Unary calls to other services that failed, by error code',
      labels: ['peer', 'method', 'code'],
    });
    this.client = new Client(address, channelCredentials(process.tls), {
      'grpc.ssl_target_name_override': peer,
      'grpc.default_authority': peer,
      'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.initial_reconnect_backoff_ms': RECONNECT_MS_MIN,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      // Without a policy in the service config only what no server has begun is sent again, such as a call that met the
      // end of an aged connection. Whether a call that was begun may be repeated, its caller knows.
      'grpc.enable_retries': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.dns_min_time_between_resolutions_ms': RESOLVE_INTERVAL_MS_MIN,
      // A headless Service gives the address of every replica: calls go to all of them in turn.
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      // Why: each channel has its own connection, so that one peer's large answers do not wait behind another's.
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** One call. @throws AppError of the peer, `service.unavailable` or `service.deadline`. */
  async call<Request, Response>(
    definition: UnaryDefinition<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    const span =
      options.traceparent === undefined
        ? undefined
        : this.tracer.start(definition.path, {
            parent: options.traceparent,
            kind: 'client',
            attributes: { peer: this.peer },
          });
    const startMs = machineClock.monotonicMs();
    const labels = { peer: this.peer, method: definition.path };
    try {
      const response = await this.send(definition, request, { ...options, traceparent: span?.traceparent });
      span?.end();
      return response;
    } catch (error) {
      this.failures.inc({ ...labels, code: error instanceof AppError ? error.code : 'internal.error' });
      span?.end(undefined, error);
      throw error;
    } finally {
      this.seconds.observe((machineClock.monotonicMs() - startMs) / 1_000, labels);
    }
  }

  /** Resolves when connected. @throws AppError `service.unavailable` */
  waitUntilReady(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.waitForReady(machineClock.nowMs() + timeoutMs, (cause) =>
        cause === undefined || cause === null
          ? resolve()
          : reject(new AppError('service.unavailable', { detail: `${this.peer}: cannot be reached`, cause })),
      );
    });
  }

  /** Whether a connection is up now. */
  get isConnected(): boolean {
    return this.client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** A call of a bidirectional method without a deadline; errors of the stream are AppErrors. */
  stream<Request, Response>(
    definition: StreamMethodDefinition<Request, Response>,
    traceparent?: string,
  ): ClientDuplexStream<Request, Response> {
    const metadata = new Metadata();
    if (traceparent !== undefined) metadata.set(TRACEPARENT_KEY, traceparent);
    const stream = this.client.makeBidiStreamRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      metadata,
    );
    return tame(stream, this.peer);
  }

  private carryStream(): CarryClientStream {
    const stream = this.stream(CallServiceService.carry);
    heedAge(stream as unknown as Duplex);
    return stream;
  }

  onApplicationShutdown(): void {
    this.streams.close();
    this.client.close();
  }

  /** Over a stream that is there already, else on its own. */
  private async send<Request, Response>(
    definition: UnaryDefinition<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    if (!this.streams.expect()) return this.sendAlone(definition, request, options);
    const { deadlineMs, traceparent = '', tenantId = '' } = options;
    try {
      const bytes = definition.requestSerialize(request);
      const call = { path: definition.path, request: bytes, traceparent, tenantId, deadlineMs };
      return definition.responseDeserialize(await this.streams.send(call));
    } catch (error) {
      if (error === NOT_CARRIED) return this.sendAlone(definition, request, options);
      if (error instanceof AppError) throw error;
      throw appErrorOf(error instanceof Error ? unfit(error) : (error as StatusObject), this.peer);
    }
  }

  /** Sends it again when a server refused it unseen: its connection had aged, or it began to drain. */
  private async sendAlone<Request, Response>(
    definition: UnaryDefinition<Request, Response>,
    request: Request,
    { deadlineMs, traceparent, tenantId }: CallOptions,
  ): Promise<Response> {
    const metadata = new Metadata();
    if (traceparent !== undefined) metadata.set(TRACEPARENT_KEY, traceparent);
    if (tenantId !== undefined) metadata.set(TENANT_KEY, tenantId);
    const deadlineAtMs = machineClock.nowMs() + deadlineMs;
    for (let refusals = 0; ; refusals += 1) {
      try {
        return await this.sendOnce(definition, request, metadata, deadlineAtMs);
      } catch (error) {
        const { code, details } = error as ServiceError;
        const isUnseen = code === status.UNAVAILABLE && details === REFUSED_UNSEEN;
        if (!isUnseen || refusals === REFUSALS_MAX) throw appErrorOf(error as ServiceError, this.peer);
        await new Promise((done) => setTimeout(done, REFUSED_PAUSE_MS * 2 ** refusals));
      }
    }
  }

  private sendOnce<Request, Response>(
    definition: UnaryDefinition<Request, Response>,
    request: Request,
    metadata: Metadata,
    deadlineAtMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        metadata,
        { deadline: deadlineAtMs },
        (error: ServiceError | null, response?: Response) =>
          error === null ? resolve(response!) : reject(error),
      );
    });
  }
}

/** Opens a channel; it connects with its first call. @throws AppError `config.invalid` without a certificate. */
export const openChannel = (process: ChannelProcess, address: string, peer: string): GrpcChannel =>
  new GrpcChannel(process, address, peer);

/** Functions for the unary methods of a generated service object, such as `AdminServiceService`. */
export function grpcClient<S extends object>(definition: S, channel: GrpcChannel): GrpcClient<S> {
  const methods = Object.entries(definition as Record<string, UnaryDefinition<unknown, unknown>>)
    .filter(([, method]) => !method.requestStream && !method.responseStream)
    .map(([name, method]) => [
      name,
      (request: unknown, options: CallOptions) => channel.call(method, request, options),
    ]);
  return Object.fromEntries(methods) as GrpcClient<S>;
}

/**
 * Opens a long-lived stream of messages once the connection is up.
 * @returns an objectMode duplex; `write` answers false when the peer reads too slowly; it has no deadline, a
 * peer that is gone is noticed by keepalive; `destroy()` or `end()` it. It emits `aged` once, when it should give way
 * to a new one, which finds replicas that came since; whoever does not heed it is cut off later.
 * @throws AppError `service.unavailable`; the stream's own `error` events are AppErrors too.
 */
export async function openStream<Request, Response>(
  channel: GrpcChannel,
  method: StreamMethodDefinition<Request, Response>,
  options: { readonly connectTimeoutMs?: number; readonly traceparent?: string } = {},
): Promise<Duplex> {
  await channel.waitUntilReady(options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
  const stream = channel.stream(method, options.traceparent) as unknown as Duplex;
  heedAge(stream);
  return stream;
}

/**
 * Makes a call behave like any other stream: a failure destroys it with an AppError, whatever is sent after is
 * dropped, destroying it cancels the call, and the peer's end closes it.
 * Why: grpc-js only emits `error`, and leaves the call open when its stream is destroyed.
 */
function tame<Request, Response>(
  stream: ClientDuplexStream<Request, Response>,
  peer: string,
): ClientDuplexStream<Request, Response> {
  const emit = stream.emit.bind(stream) as (event: string | symbol, ...args: unknown[]) => boolean;
  stream.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== 'error' || args[0] instanceof AppError) return emit(event, ...args);
    stream.destroy(appErrorOf(args[0] as ServiceError, peer));
    return true;
  };
  stream._destroy = (error, done) => {
    stream.cancel();
    done(error);
  };
  stream.once('end', () => stream.destroy());
  return stream;
}

const heedAge = (stream: Duplex): void =>
  void stream.once('metadata', (head: Metadata) => tellAge(stream, Number(head.get(STREAM_AGE_KEY)[0])));

/** A message that does not fit its type, in the words that grpc-js has for it. */
const unfit = ({ message }: Error): StatusObject => ({
  ...{ code: status.INTERNAL, details: `message serialization: ${message}`, metadata: new Metadata() },
});

/** @param ageMs NaN from a peer that does not say. */
function tellAge(stream: Duplex, ageMs: number): void {
  if (!Number.isFinite(ageMs) || stream.destroyed) return;
  const timer = setTimeout(() => stream.emit('aged'), ageMs * (1 - Math.random() * STREAM_AGE_JITTER));
  timer.unref();
  stream.once('close', () => clearTimeout(timer));
}
