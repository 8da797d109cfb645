import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type ServerConfig } from './config.js';
import { drainOnSignals, type RunningService } from './drain.js';
import { healthAnswer, splitListen } from './health-server.js';
import { ProblemFilter, sendProblem, toAppError } from './http-problem.js';
import { nestLogger } from './nest.js';
import { type Process } from './process.js';
import { RouteTable } from './route-table.js';

export { problemOf, sendProblem, writeProblem } from './http-problem.js';
export { processProviders } from './nest.js';

/** A process whose main port speaks HTTP. */
export interface HttpServiceOptions {
  readonly process: Process<ServerConfig>;
  /** Nest module class or DynamicModule. */
  readonly module: unknown;
  /** host:port; port 0 lets the system choose. */
  readonly listen: string;
  readonly bodyBytesMax: number;
  /** Routes and hooks that go to Fastify directly; runs before Nest's routes are made. */
  readonly configure?: (fastify: FastifyInstance) => void | Promise<void>;
  /**
   * For one of several processes that share a port: how long to wait at most until its checks pass before it takes its
   * share of the requests. Who is alone listens at once, so that probes are answered.
   */
  readonly readyWithinMs?: number;
}

const READY_POLL_MS = 10;
/** Longer than a request that was sent is on its way, even to a process that gets little of a processor. */
const QUIET_MS = 250;
/** Senders that never pause do not hold up the end. */
const LAST_REQUESTS_MS_MAX = 2_000;

const REQUEST_TIMEOUT_MS = 15_000;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
const HEADER_BYTES_MAX = 16 * 1024;
const PARAM_LENGTH_MAX = 256;
const REQUESTS_PER_SOCKET_MAX = 0;
const HEALTH_PATHS = ['/health/live', '/health/ready', '/metrics'];

/**
 * Serves a Nest module on Fastify until SIGTERM or SIGINT, with health and metrics on the same port.
 * Every body arrives as a Buffer (`request.body`; undefined without one), whatever its content type: who
 * needs more parses it, after the signature. Errors leave as problem+json.
 * Requests run through no Nest interceptor, guard or pipe, unless the module has its own.
 */
export async function runHttpService(options: HttpServiceOptions): Promise<RunningService> {
  const { process, module, listen } = options;
  const server = openFastify(process, options.bodyBytesMax);
  const routes = new RouteTable(server);
  server.setNotFoundHandler((request, reply) => refuseUnknown(routes, request, reply));
  server.setErrorHandler((error, request, reply) => sendProblem(reply, toAppError(error, request, process)));
  addHealthRoutes(server, process);
  await options.configure?.(server);
  const app = await NestFactory.create<NestFastifyApplication>(
    module as never,
    new QuietAdapter(server as never),
    {
      bodyParser: false,
      logger: nestLogger(process.log),
      abortOnError: false,
    },
  );
  app.useGlobalFilters(new ProblemFilter(process));
  await app.init();
  await whenReady(process, options.readyWithinMs ?? 0);
  let isServing = false;
  process.health.add('start', () => isServing || 'starting');
  const address = (await server.listen(splitListen(listen))).replace(/^https?:\/\//, '');
  isServing = true;
  process.log.info({ address, kind: 'http' }, 'serving');
  const close = drainOnSignals(process, async () => {
    await lastRequests(server.server, process.clock);
    await app.close();
    await process.tracer.onApplicationShutdown();
  });
  return { address, healthAddress: address, close };
}

/**
 * Waits until nothing has come over open connections for a moment: what was sent before its sender could know is answered
 * (and told to go elsewhere), not cut off unread.
 */
async function lastRequests(server: Server, clock: Clock): Promise<void> {
  const untilMs = clock.monotonicMs() + LAST_REQUESTS_MS_MAX;
  let lastAtMs = clock.monotonicMs();
  server.prependListener('request', () => (lastAtMs = clock.monotonicMs()));
  const connections = promisify(server.getConnections.bind(server));
  while (clock.monotonicMs() < Math.min(untilMs, lastAtMs + QUIET_MS) && (await connections()) > 0)
    await delay(READY_POLL_MS);
}

async function whenReady({ health, clock }: Process, withinMs: number): Promise<void> {
  const untilMs = clock.monotonicMs() + withinMs;
  while (clock.monotonicMs() < untilMs && !health.readiness().isReady) await delay(READY_POLL_MS);
}

/** Nest's adapter, but unknown paths and errors outside of controllers stay ours: both need no Nest context. */
class QuietAdapter extends FastifyAdapter {
  override setNotFoundHandler(): never {
    return this.instance as never;
  }

  override setErrorHandler(): never {
    return this.instance as never;
  }
}

/** A Fastify that hands bodies over untouched and trusts no header about the client's address. */
export function openFastify(
  process: Pick<Process, 'health' | 'log' | 'clock'>,
  bodyBytesMax: number,
): FastifyInstance {
  const server = fastify({
    logger: false,
    trustProxy: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    maxRequestsPerSocket: REQUESTS_PER_SOCKET_MAX,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what still comes on an open connection is served, and told to go elsewhere
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_TIMEOUT_MS },
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    frameworkErrors: (error, request, reply) =>
      sendProblem(reply as never, toAppError(error, request as never, process)),
    clientErrorHandler: refuseUnreadable,
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  process.health.onDraining(() => {
    server.server.keepAliveTimeout = 1; // for connections whose request is under way; 0 would mean for ever
    server.server.prependListener('request', (_request, response) =>
      response.setHeader('connection', 'close'),
    );
  });
  return server as unknown as FastifyInstance;
}

function addHealthRoutes(server: FastifyInstance, process: Process): void {
  for (const path of HEALTH_PATHS) {
    server.get(path, async (_request, reply) => {
      const { status, type, body } = (await healthAnswer(process, path))!;
      return reply.code(status).header('cache-control', 'no-store').type(type).send(body);
    });
  }
}

function refuseUnknown(routes: RouteTable, request: FastifyRequest, reply: FastifyReply): void {
  const methods = routes.methodsOf(request.url.split('?', 1)[0]!);
  if (methods.length === 0) return sendProblem(reply, new AppError('request.not_found'));
  void reply.header('allow', methods.join(', '));
  return sendProblem(reply, new AppError('request.method_not_allowed'));
}

/** What is not HTTP, too slow or too large in its head: answered on the bare socket. */
function refuseUnreadable(error: Error & { code?: string }, socket: import('node:net').Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return;
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
