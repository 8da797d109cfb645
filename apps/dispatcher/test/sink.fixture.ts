import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One POST as a destination saw it. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What the destination answers; undefined = 204. `hang` never answers. */
export type Answer =
  { readonly status: number; readonly headers?: Record<string, string> } | 'hang' | undefined;

/** A destination: a real HTTP server that keeps what it gets. */
export class Sink {
  readonly received: Received[] = [];
  answer: (request: Received) => Answer | Promise<Answer> = () => undefined;
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const received = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) };
        this.received.push(received);
        void this.reply(received, response);
      });
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The webhook-ids, in the order of arrival. */
  ids(path?: string): string[] {
    return this.received
      .filter((one) => path === undefined || one.path === path)
      .map(({ headers }) => String(headers['webhook-id']));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async reply(received: Received, response: ServerResponse): Promise<void> {
    const answer = await this.answer(received);
    if (answer === 'hang') return;
    response.writeHead(answer?.status ?? 204, answer?.headers);
    response.end();
  }
}
