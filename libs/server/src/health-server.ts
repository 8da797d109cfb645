import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type Process } from './process.js';

const REQUEST_TIMEOUT_MS = 5_000;
const HEADER_BYTES_MAX = 8 * 1024;
const CONNECTIONS_MAX = 64;

/** The answer of one health path, or undefined for any other path. */
export async function healthAnswer(
  process: Pick<Process, 'health' | 'metrics' | 'service'>,
  path: string,
): Promise<{ status: number; type: string; body: string } | undefined> {
  switch (path) {
    case '/health/live':
      return { status: 200, type: 'application/json', body: '{"status":"live"}' };
    case '/health/ready': {
      const { isReady, checks } = process.health.readiness();
      const body = JSON.stringify({ status: isReady ? 'ready' : 'not ready', checks });
      return { status: isReady ? 200 : 503, type: 'application/json', body };
    }
    case '/metrics':
      return { status: 200, type: process.metrics.contentType, body: await process.metrics.text() };
    default:
      return undefined;
  }
}

/** A listening server. */
export interface HttpServer {
  /** host:port as bound. */
  readonly address: string;
  close(): Promise<void>;
}

/** Serves /health/live, /health/ready and /metrics for a process that has no other HTTP port. */
export async function openHealthServer(
  process: Pick<Process, 'health' | 'metrics' | 'service'>,
  listen: string,
): Promise<HttpServer> {
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    (request, response) => {
      healthAnswer(process, (request.url ?? '').split('?', 1)[0]!).then(
        (answer) => {
          if (answer === undefined) return response.writeHead(404).end();
          response.writeHead(answer.status, { 'content-type': answer.type, 'cache-control': 'no-store' });
          return response.end(request.method === 'HEAD' ? undefined : answer.body);
        },
        () => response.writeHead(500).end(),
      );
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listening(server, listen);
  return {
    address: addressOf(server),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Host and port of `host:port`; brackets of an IPv6 host are taken off.
 * `localhost` is its IPv4 address: for the name, Fastify would open a second server that knows none of our listeners.
 */
export function splitListen(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === 'localhost' ? '127.0.0.1' : host, port: Number(listen.slice(colon + 1)) };
}

function listening(server: Server, listen: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(splitListen(listen), () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
