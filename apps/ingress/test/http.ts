import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';

const agent = new Agent({ keepAlive: true });
/** As a provider does: a connection that was handed to a process at the moment it died is never answered. */
const TIMEOUT_MS = 5_000;

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** One HTTP request with exact bytes; `chunks` are sent without Content-Length. */
export function send(
  url: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string | string[]>>;
    readonly body?: Buffer | string;
    readonly chunks?: readonly Buffer[];
    readonly timeoutMs?: number;
  } = {},
): Promise<Answer> {
  const { timeoutMs = TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    const { origin } = new URL(url);
    const { hostname, port } = new URL(origin);
    const request = httpRequest(
      {
        agent,
        hostname,
        port,
        // As it stands: a URL object would normalise what is signed.
        path: url.slice(origin.length),
        method: options.method ?? 'POST',
        timeout: timeoutMs,
        headers: {
          ...options.headers,
          ...(options.body !== undefined && { 'content-length': String(Buffer.byteLength(options.body)) }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    for (const chunk of options.chunks ?? []) request.write(chunk);
    request.end(options.body);
  });
}

/** Closes idle connections, so that the test process can end. */
export const closeConnections = (): void => agent.destroy();
