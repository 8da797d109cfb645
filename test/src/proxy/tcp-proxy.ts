import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Follows what a client sends and names the moments at which a cut is worth something. */
export interface Watcher {
  /** @returns offsets in the chunk, ascending; each is just behind the byte that completes a moment. */
  moments(chunk: Buffer): number[];
}

/** A moment after every `count` bytes. */
export const bytesWatcher = (count: number): Watcher => {
  let seen = 0;
  return {
    moments(chunk) {
      const offsets: number[] = [];
      for (let at = count - (seen % count); at <= chunk.length; at += count) offsets.push(at);
      seen += chunk.length;
      return offsets;
    },
  };
};

/** A moment after every occurrence of the pattern, also where it lies across two chunks. */
export const patternWatcher = (pattern: Buffer): Watcher => {
  let tail: Buffer = Buffer.alloc(0);
  return {
    moments(chunk) {
      const all = Buffer.concat([tail, chunk]);
      const offsets: number[] = [];
      for (let at = all.indexOf(pattern); at >= 0; at = all.indexOf(pattern, at + 1)) {
        const end = at + pattern.length - tail.length;
        if (end > 0) offsets.push(end);
      }
      tail = all.subarray(Math.max(0, all.length - pattern.length + 1));
      return offsets;
    },
  };
};

/** What a cut does with the bytes up to its moment: the server gets them (and acts on them), or does not. */
export type CutMode = 'forwarded' | 'withheld';

export interface TcpProxyOptions {
  readonly targetPort: number;
  readonly targetHost?: string;
  /** One watcher a connection, for what the client sends. */
  readonly watch?: () => Watcher;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  isCut: boolean;
}

/** A TCP proxy in this process that delays, stands still, refuses, half-closes and cuts. */
export class TcpProxy {
  /** Added to each chunk, in both directions. */
  delayMs = 0;
  /** New connections are reset at once. */
  isRefusing = false;
  /** Cuts that happened at a moment. */
  cuts = 0;
  private armed: CutMode[] = [];
  private isStill = false;
  private readonly links = new Set<Link>();
  private readonly server: Server;

  private constructor(private readonly options: TcpProxyOptions) {
    this.server = createServer({ allowHalfOpen: true }, (client) => this.accept(client));
  }

  static async start(options: TcpProxyOptions, port = 0): Promise<TcpProxy> {
    const proxy = new TcpProxy(options);
    await new Promise<void>((done) => proxy.server.listen(port, '127.0.0.1', done));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.links.size;
  }

  /** The connection that reaches the next moment is cut there; each further mode cuts a further one. */
  armCuts(...modes: CutMode[]): void {
    this.armed.push(...modes);
  }

  get armedCuts(): number {
    return this.armed.length;
  }

  /** Resets every connection now, both ways. */
  cutAll(): void {
    for (const link of this.links) {
      link.client.resetAndDestroy();
      link.server.resetAndDestroy();
    }
  }

  /** Ends the server's half of every connection: the client still writes, and hears nothing more. */
  halfCloseAll(): void {
    for (const { client } of this.links) client.end();
  }

  /** Forwards nothing, and loses nothing, until it goes on: what a peer that hangs looks like. */
  standStill(): void {
    this.isStill = true;
    for (const { client, server } of this.links) for (const socket of [client, server]) socket.pause();
  }

  goOn(): void {
    this.isStill = false;
    for (const { client, server } of this.links) for (const socket of [client, server]) socket.resume();
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((done) => this.server.close(done));
  }

  private accept(client: Socket): void {
    if (this.isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const { targetPort, targetHost = '127.0.0.1', watch } = this.options;
    const server = connect({ port: targetPort, host: targetHost, allowHalfOpen: true });
    const link: Link = { client, server, isCut: false };
    this.links.add(link);
    const watcher = watch?.();
    client.on('data', (chunk: Buffer) => this.toServer(link, chunk, watcher));
    server.on('data', (chunk: Buffer) =>
      this.later(() => !link.isCut && client.writable && client.write(chunk)),
    );
    if (this.isStill) for (const socket of [client, server]) socket.pause();
    client.on('end', () => this.later(() => server.end()));
    server.on('end', () => this.later(() => client.end()));
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.links.delete(link);
        // A cut lets the server read what it was sent before it sees the end.
        if (!link.isCut) this.later(() => (socket === client ? server : client).destroy());
      });
    }
  }

  private toServer(link: Link, chunk: Buffer, watcher: Watcher | undefined): void {
    if (link.isCut) return;
    const moment = watcher?.moments(chunk)[0];
    const mode = moment === undefined ? undefined : this.armed.shift();
    if (moment === undefined || mode === undefined) {
      this.later(() => link.server.write(chunk));
      return;
    }
    this.cuts++;
    link.isCut = true;
    if (mode === 'withheld') {
      link.server.destroy();
      link.client.resetAndDestroy();
    } else {
      // end, not destroy: a reset could take the bytes out of the server's buffer again.
      link.server.end(chunk.subarray(0, moment), () => link.client.resetAndDestroy());
    }
  }

  private later(act: () => unknown): void {
    if (this.delayMs === 0) act();
    else setTimeout(act, this.delayMs);
  }
}
