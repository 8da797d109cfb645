import { readFileSync } from 'node:fs';
import { connect, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { AppError } from '@posthorn/errors/app-error.js';
import { backoffMs } from './backoff.js';
import type { LoggerLike } from './logger-like.js';

/** Where the broker is and who asks. */
export interface NatsLinkOptions {
  /** `nats://[user:password@]host:port`, several separated by commas; `tls://` for TLS. */
  readonly url: string;
  /** Shown by the broker's monitoring. */
  readonly name: string;
  readonly tls?: NatsTls;
}

/** PEM files, read for each connection; an empty name counts as none. Any of them means TLS. */
export interface NatsTls {
  /** Authorities of the broker; the public ones without it. */
  readonly caFile?: string;
  /** What we show to a broker that asks for a certificate, with its key. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

type Handler = (data: Uint8Array, subject: string) => void;

const CONNECT_TIMEOUT_MS = 2_000;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;
const PING_INTERVAL_MS = 2_000;
/** A silent connection is given up after this many unanswered pings. */
const PINGS_OUT_MAX = 2;
const THIS_MACHINE = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * One connection to NATS that comes back for ever and never stands in anybody's way.
 * Why not the client's own reconnect: it keeps what is published meanwhile in memory without a bound, and
 * leaves requests hanging; here a lost connection ends at once, and a new one starts clean.
 */
export class NatsLink {
  private current: NatsConnection | undefined;
  private readonly handlers: { readonly subject: string; readonly handler: Handler }[] = [];
  private readonly listeners: (() => void)[] = [];
  private failures = 0;
  private isClosed = false;
  private timer: NodeJS.Timeout | undefined;

  /** @throws AppError `config.invalid` for a broker on another machine without TLS, unless the URL says so. */
  constructor(
    private readonly options: NatsLinkOptions,
    private readonly log: LoggerLike,
  ) {
    const away = this.hasTls ? [] : this.servers.filter(({ hostname }) => !THIS_MACHINE.test(hostname));
    if (away.some(({ searchParams }) => searchParams.get('tls') !== 'disable')) {
      throw new AppError('config.invalid', {
        detail: 'the URL of NATS on another machine must be tls://host:port, or say ?tls=disable',
      });
    }
    if (away.length > 0) log.warn({}, 'NATS is spoken to without TLS, as its URL says');
  }

  /** Starts to connect, in the background. */
  onApplicationBootstrap(): void {
    void this.open();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    await this.current?.close();
  }

  get isConnected(): boolean {
    return this.current !== undefined;
  }

  /** The live connection; another object after each reconnect. For the classes of this library. */
  get connection(): NatsConnection | undefined {
    return this.current;
  }

  /** Sends without any promise; does nothing while the broker is away. */
  publish(subject: string, data?: Uint8Array): void {
    try {
      this.current?.publish(subject, data);
    } catch (error) {
      this.log.warn({ cause: textOf(error) }, 'a message was not published');
    }
  }

  /** Subscribes for good: on this connection and on every later one. */
  subscribe(subject: string, handler: Handler): void {
    this.handlers.push({ subject, handler });
    if (this.current !== undefined) this.subscribeOn(this.current, subject, handler);
  }

  /** Calls back after each connect, at once when there is a connection now. */
  onConnected(listener: () => void): void {
    this.listeners.push(listener);
    if (this.current !== undefined) listener();
  }

  private async open(): Promise<void> {
    try {
      const connection = await connect(this.connectOptions());
      if (this.isClosed) return await connection.close();
      this.failures = 0;
      this.current = connection;
      void connection.closed().then((error) => this.onClosed(connection, error));
      this.log.info({ address: connection.getServer() }, 'connected to NATS');
      for (const { subject, handler } of this.handlers) this.subscribeOn(connection, subject, handler);
      for (const listener of this.listeners) listener();
    } catch (error) {
      if (this.failures++ === 0) this.log.warn({ cause: textOf(error) }, 'NATS cannot be reached');
      this.openLater();
    }
  }

  private onClosed(connection: NatsConnection, error: Error | void): void {
    if (this.current !== connection) return;
    this.current = undefined;
    if (this.isClosed) return;
    this.log.warn(
      { cause: error ? error.message : 'closed by the server' },
      'the connection to NATS is gone',
    );
    this.openLater();
  }

  private openLater(): void {
    if (this.isClosed) return;
    this.timer = setTimeout(() => void this.open(), backoffMs(this.failures, BACKOFF_MS_MIN, BACKOFF_MS_MAX));
  }

  private subscribeOn(connection: NatsConnection, subject: string, handler: Handler): Subscription {
    return connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) return this.log.warn({ cause: error.message }, 'a subscription was refused');
        try {
          handler(message.data, message.subject);
        } catch (failure) {
          this.log.error({ cause: textOf(failure) }, 'a message was not handled');
        }
      },
    });
  }

  private get servers(): URL[] {
    return this.options.url.split(',').map((text) => new URL(text.trim()));
  }

  private get hasTls(): boolean {
    return (
      this.servers.every(({ protocol }) => protocol === 'tls:') ||
      Object.values(this.options.tls ?? {}).some(Boolean)
    );
  }

  private connectOptions(): Parameters<typeof connect>[0] {
    const { servers } = this;
    const { username, password } = servers[0]!;
    const { tls } = this.options;
    return {
      servers: servers.map(({ host }) => host),
      name: this.options.name,
      timeout: CONNECT_TIMEOUT_MS,
      reconnect: false,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: PINGS_OUT_MAX,
      // Else each publish makes two errors, with their stacks, for the case that it fails.
      noAsyncTraces: true,
      ...(username && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
      // Read again for each connection: certificates are renewed without a restart.
      ...(this.hasTls && {
        tls: {
          ca: read(tls?.caFile),
          cert: read(tls?.certFile),
          key: read(tls?.keyFile),
        },
      }),
    };
  }
}

const read = (file: string | undefined): string | undefined =>
  file === undefined || file === '' ? undefined : readFileSync(file, 'utf8');

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
