import {
  Metadata,
  type Server,
  type ServerDuplexStream,
  type ServerInterceptor,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { ServerGrpc } from '@nestjs/microservices';
import { CallServiceService } from '@posthorn/contracts/posthorn/calls/v1/calls.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Observable, throwError } from 'rxjs';
import { CallBook, type GrpcExposure } from './call-book.js';
import { CallCarrier, type CarriedMethod, type CarryStream } from './call-carrier.js';
import { letClosingSessionsEnd } from './closing-sessions.js';
import { reportError } from './error-report.js';
import { MESSAGE_BYTES_MAX, STREAM_AGE_KEY } from './grpc-client.js';
import { isServiceError, serviceErrorOf } from './grpc-errors.js';
import { grpcInterceptor } from './grpc-interceptor.js';
import { type GrpcConfig, type ServerConfig } from './config.js';
import { type Process } from './process.js';
import { serverCredentials } from './tls.js';

const KEEPALIVE_INTERVAL_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;
/** When a stream is to move, as a share of the time that its connection leaves it: the rest is for moving. */
const STREAM_AGE_SHARE = 0.7;
/** Streams of calls move this often at least: they were spread over the replicas that were there when they began. */
const CARRY_AGE_MS_MAX = 30_000;
/** They move early: many calls would be cut with one. */
const CARRY_AGE_SHARE = 0.35;
const STREAMS_PER_CONNECTION_MAX = 1_000;
/** How long a stream may live on after the process began to drain, if its handler does not end it. */
const STREAM_GRACE_MS = 1_000;
/** The part of the drain timeout that calls may take; the rest is for the shutdown hooks. */
const CALLS_SHARE = 0.6;

type RawCall = ServerDuplexStream<unknown, unknown>;
type Options = ConstructorParameters<typeof ServerGrpc>[0];
type ServiceFactory = Parameters<ServerGrpc['createService']>[0];
interface Handlers {
  [method: string]: unknown;
}

/** AppErrors of controllers as gRPC statuses; everything else as `internal.error`. */
@Catch()
export class GrpcErrorFilter implements RpcExceptionFilter {
  constructor(private readonly process: Pick<Process, 'log' | 'clock'>) {}

  catch(error: unknown): Observable<never> {
    const { log, clock } = this.process;
    return throwError(() => serviceErrorOf(reportError(error, 'grpc', log, clock)));
  }
}

/**
 * Nest's gRPC server with what it lacks: errors of raw streams keep their code, a handler that fails can never
 * end the process, missing handlers are named at start, and closing drains within a bound.
 */
export class GrpcServer extends ServerGrpc {
  private readonly streams = new Set<RawCall>();
  private readonly carrier: CallCarrier;

  constructor(
    private readonly process: Process<ServerConfig & GrpcConfig>,
    exposures: readonly GrpcExposure[],
  ) {
    const callers = [...new Set(exposures.flatMap((exposure) => exposure.callers))];
    const book = new CallBook(process, [...exposures, { definition: CallServiceService, callers }]);
    super(optionsOf(process, exposures, grpcInterceptor(book)));
    letClosingSessionsEnd();
    this.carrier = new CallCarrier(book);
  }

  override async createService(service: ServiceFactory, name: string): Promise<Handlers> {
    const handlers = (await super.createService(service, name)) as Handlers;
    const { service: methods } = service as unknown as { service: ServiceDefinition };
    for (const [method, definition] of Object.entries(methods)) {
      const handle = handlers[method] as CarriedMethod['handle'] | undefined;
      if (handle === undefined)
        this.process.log.warn({ method: `${name}/${method}` }, 'no handler: calls are refused');
      else if (!definition.requestStream && !definition.responseStream)
        this.carrier.add(definition.path, { ...definition, handle });
    }
    return handlers;
  }

  /** `@GrpcStreamCall` handlers: `call.destroy(error)`, `call.emit('error', error)` or throwing all end the call. */
  override createStreamCallMethod(
    handler: (...args: unknown[]) => unknown,
  ): (call: unknown) => Promise<void> {
    return async (given) => {
      const call = this.guarded(given as RawCall);
      try {
        // lastValueFrom is not needed: such a handler answers through the call, never by its result.
        this.transformToObservable(await handler(call)).subscribe({
          error: (error) => call.emit('error', error),
        });
      } catch (error) {
        call.emit('error', error);
      }
    };
  }

  override async close(): Promise<void> {
    const server = this.grpcClient as Server | null;
    if (server === null || server === undefined) return;
    this.grpcClient = null;
    this.carrier.drain();
    const force = setTimeout(() => server.forceShutdown(), this.process.config.drainTimeoutMs * CALLS_SHARE);
    const endStreams = setTimeout(
      () => {
        for (const call of this.streams)
          call.emit('error', new AppError('service.unavailable', { detail: 'draining' }));
      },
      Math.min(STREAM_GRACE_MS, this.process.config.drainTimeoutMs / 2),
    );
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    clearTimeout(force);
    clearTimeout(endStreams);
  }

  /** The port that was bound, for tests that asked for port 0. */
  get port(): number {
    return this.boundPort;
  }
  private boundPort = 0;

  override async createClient(): Promise<Server> {
    const server = (await super.createClient()) as Server;
    server.addService(CallServiceService, {
      carry: (call: CarryStream) => {
        call.sendMetadata(this.head(CARRY_AGE_SHARE, CARRY_AGE_MS_MAX));
        this.carrier.carry(call);
      },
    });
    const ports = (server as unknown as { boundPorts: Map<string, { listeningServers: Set<NetServer> }> })
      .boundPorts;
    for (const { listeningServers } of ports.values())
      for (const listening of listeningServers) this.boundPort = listening.address().port;
    return server;
  }

  private head(share = STREAM_AGE_SHARE, ageMsMax = Infinity): Metadata {
    const head = new Metadata();
    const ageMs = Math.min(ageMsMax, this.process.config.grpcConnectionGraceMs * share);
    head.set(STREAM_AGE_KEY, String(Math.floor(ageMs)));
    return head;
  }

  private guarded(call: RawCall): RawCall {
    const { log, clock } = this.process;
    const emit = call.emit.bind(call) as (event: string | symbol, ...args: unknown[]) => boolean;
    const destroy = call.destroy.bind(call);
    call.sendMetadata(this.head());
    this.streams.add(call);
    call.once('close', () => this.streams.delete(call));
    call.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      if (event !== 'error' || isServiceError(args[0])) return emit(event, ...args);
      return emit(event, serviceErrorOf(reportError(args[0], call.getPath(), log, clock)));
    };
    // A destroyed stream writes no trailers: the client would wait for its keepalive.
    call.destroy = (error?: Error): RawCall => {
      if (call.cancelled || call.writableFinished) return destroy(error) as RawCall;
      call.emit('error', error ?? new AppError('service.unavailable', { detail: 'the stream was ended' }));
      return call;
    };
    return call;
  }
}

/** An answer that does not fit its message type is a bug of ours, which grpc-js would not tell anybody. */
function withReports(definition: ServiceDefinition, { log, clock }: Process): ServiceDefinition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const responseSerialize = (value: unknown): Buffer => {
      try {
        return method.responseSerialize(value);
      } catch (error) {
        throw reportError(error, method.path, log, clock);
      }
    };
    return [name, { ...method, responseSerialize }];
  });
  return Object.fromEntries(methods) as ServiceDefinition;
}

interface NetServer {
  address(): { port: number };
}

function optionsOf(
  process: Process<ServerConfig & GrpcConfig>,
  exposures: readonly GrpcExposure[],
  interceptor: ServerInterceptor,
): Options {
  const services = exposures.map(({ definition }) => {
    const path = Object.values(definition)[0]!.path; // /posthorn.events.v1.AppendService/Append
    return [path.split('/')[1]!, withReports(definition, process)] as const;
  });
  return {
    url: process.config.grpcListen,
    package: [...new Set(services.map(([name]) => name.slice(0, name.lastIndexOf('.'))))],
    packageDefinition: Object.fromEntries(services),
    credentials: serverCredentials(process.tls),
    maxReceiveMessageLength: MESSAGE_BYTES_MAX,
    maxSendMessageLength: MESSAGE_BYTES_MAX,
    keepalive: { keepaliveTimeMs: KEEPALIVE_INTERVAL_MS, keepaliveTimeoutMs: KEEPALIVE_TIMEOUT_MS },
    channelOptions: {
      // New calls move to a new connection, and with it to new replicas; streams are told to, and have the grace to.
      'grpc.max_connection_age_ms': process.config.grpcConnectionAgeMs,
      'grpc.max_connection_age_grace_ms': process.config.grpcConnectionGraceMs,
      'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION_MAX,
      ...{ interceptors: [interceptor] }, // grpc-js' ServerOptions has it, Nest's type does not
    },
  };
}
