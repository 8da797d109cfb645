import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

/** What stands at a path. */
export interface HostedMedium {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** Whoever does not show this is answered 401. */
  readonly authorization?: string;
  /** No answer ever comes. */
  readonly hangs?: true;
  /** Bytes without end, and without saying how many. */
  readonly isEndless?: true;
}

/** A request that came. */
export interface HostedRequest {
  readonly path: string;
  /** Empty without one. */
  readonly authorization: string;
}

const CHUNK = Buffer.alloc(65_536, 7);

/** Where providers keep media, on loopback: serves what a test puts there, and remembers who showed what. */
export class FakeMediaHost {
  readonly requests: HostedRequest[] = [];
  /** Bytes of endless ones that were written before whoever asked went away. */
  endlessBytes = 0;
  private readonly media = new Map<string, HostedMedium>();
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      const { authorization = '' } = request.headers;
      const path = request.url!;
      this.requests.push({ path, authorization });
      const medium = this.media.get(path);
      if (medium === undefined) return void response.writeHead(404).end();
      if (medium.authorization !== undefined && medium.authorization !== authorization)
        return void response.writeHead(401).end();
      if (medium.hangs === true) return;
      response.writeHead(medium.status ?? 200, medium.headers);
      if (medium.isEndless === true) this.pour(response);
      else response.end(medium.body);
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** @param path with its slash. @returns where it is. */
  put(path: string, medium: HostedMedium): string {
    this.media.set(path, medium);
    return `${this.url}${path}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private pour(response: ServerResponse): void {
    const more = (): void => {
      if (response.destroyed) return;
      this.endlessBytes += CHUNK.length;
      response.write(CHUNK, () => setImmediate(more));
    };
    more();
  }
}
