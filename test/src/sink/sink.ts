import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { isWebhookSigned, webhookKey } from '../wire/signatures.js';
import { monotonicMs } from '../wire/time.js';

/** What a destination does with a delivery. */
export type Behaviour =
  | { readonly kind: 'ok' }
  /** Answers `status`; the first `times` deliveries of each webhook ID, or all of them. */
  | {
      readonly kind: 'fail';
      readonly status: number;
      readonly times?: number;
      readonly retryAfterSeconds?: number;
    }
  /** As `fail`, once, for a share of the webhook IDs. */
  | { readonly kind: 'flaky'; readonly status: number; readonly share: number }
  /** Takes the request and never answers. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'slow'; readonly delayMs: number };

/** One request that arrived at a destination. Times are monotonic milliseconds. */
export interface Receipt {
  /** Place in the order of arrival over the whole sink. */
  readonly order: number;
  readonly destination: string;
  readonly webhookId: string;
  readonly type: string;
  readonly tenant: string;
  readonly eventId: string;
  readonly providerMessageId: string;
  readonly isSigned: boolean;
  /** Whether it is signed with each of the destination's secrets, in the order in which they were made known. */
  readonly signedBy: readonly boolean[];
  /** When its headers were there. */
  readonly arrivedMs: number;
  /** 0: not answered. */
  status: number;
}

interface Destination {
  keys: Buffer[];
  behaviour: Behaviour;
  readonly timesSeen: Map<string, number>;
}

export interface SinkOptions {
  /** Off for long runs at full speed: then only counts are kept, and what `onReceipt` does. */
  readonly keepReceipts?: boolean;
  readonly onReceipt?: (receipt: Receipt) => void;
  /** Listens on every address, with TLS, and says that it is at `host`; else on this machine alone, in the clear. */
  readonly public?: { readonly host: string; readonly cert: string; readonly key: string };
}

/** A receiver of deliveries: verifies the signature by itself, records what came, and misbehaves on demand. */
export class Sink {
  readonly receipts: Receipt[] = [];
  /** Deliveries answered 2xx. */
  accepted = 0;
  private order = 0;
  private readonly destinations = new Map<string, Destination>();
  private readonly server: Server;

  private constructor(private readonly options: SinkOptions) {
    const listener = (request: IncomingMessage, response: ServerResponse): void =>
      this.take(request, response);
    this.server =
      options.public === undefined ? createServer(listener) : createSecureServer(options.public, listener);
    this.server.keepAliveTimeout = 60_000;
  }

  static async start(options: SinkOptions = {}, port = 0): Promise<Sink> {
    const sink = new Sink(options);
    const address = options.public === undefined ? '127.0.0.1' : '0.0.0.0';
    await new Promise<void>((done) => sink.server.listen(port, address, done));
    return sink;
  }

  /** The URL of a destination. */
  url(destination: string): string {
    const { port } = this.server.address() as AddressInfo;
    const { public: open } = this.options;
    return `${open === undefined ? 'http://127.0.0.1' : `https://${open.host}`}:${port}/${destination}`;
  }

  /** Makes known which secrets a destination's deliveries are signed with, and what it does with them. */
  configure(destination: string, change: { secrets?: readonly string[]; behaviour?: Behaviour }): void {
    const known = this.destinations.get(destination);
    const settings = known ?? { keys: [], behaviour: { kind: 'ok' as const }, timesSeen: new Map() };
    if (change.secrets !== undefined) settings.keys = change.secrets.map(webhookKey);
    if (change.behaviour !== undefined) settings.behaviour = change.behaviour;
    this.destinations.set(destination, settings);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private take(request: IncomingMessage, response: ServerResponse): void {
    const arrivedMs = monotonicMs();
    const order = this.order++;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      this.record(request, body, response, arrivedMs, order);
    });
  }

  private record(
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
    arrivedMs: number,
    order: number,
  ): void {
    const name = request.url!.slice(1);
    const destination = this.destinations.get(name);
    const webhookId = String(request.headers['webhook-id'] ?? '');
    const content = parse(body);
    const signedBy = (destination?.keys ?? []).map((key) => isWebhookSigned([key], request.headers, body));
    const receipt: Receipt = {
      order,
      destination: name,
      webhookId,
      type: content.type ?? '',
      tenant: content.tenant ?? '',
      eventId: content.data?.['eventId'] ?? '',
      providerMessageId: content.data?.['providerMessageId'] ?? '',
      isSigned: signedBy.includes(true),
      signedBy,
      arrivedMs,
      status: 0,
    };
    if (this.options.keepReceipts !== false) this.receipts.push(receipt);
    this.options.onReceipt?.(receipt);
    if (destination === undefined) return this.answer(receipt, response, 404);
    this.behave(destination, receipt, response);
  }

  private behave({ behaviour, timesSeen }: Destination, receipt: Receipt, response: ServerResponse): void {
    if (behaviour.kind === 'ok') return this.answer(receipt, response, 204);
    if (behaviour.kind === 'hang') return;
    if (behaviour.kind === 'slow') {
      setTimeout(() => this.answer(receipt, response, 204), behaviour.delayMs);
      return;
    }
    const seen = (timesSeen.get(receipt.webhookId) ?? 0) + 1;
    timesSeen.set(receipt.webhookId, seen);
    const isFailing =
      behaviour.kind === 'fail'
        ? seen <= (behaviour.times ?? Number.POSITIVE_INFINITY)
        : seen === 1 && shareOf(receipt.webhookId) < behaviour.share;
    const retryAfterSeconds = behaviour.kind === 'fail' ? behaviour.retryAfterSeconds : undefined;
    this.answer(receipt, response, isFailing ? behaviour.status : 204, retryAfterSeconds);
  }

  private answer(
    receipt: Receipt,
    response: ServerResponse,
    status: number,
    retryAfterSeconds?: number,
  ): void {
    receipt.status = status;
    if (status < 300) this.accepted++;
    if (retryAfterSeconds !== undefined) response.setHeader('retry-after', retryAfterSeconds);
    response.writeHead(status).end();
  }
}

interface Content {
  readonly type?: string;
  readonly tenant?: string;
  readonly data?: Record<string, string>;
}

function parse(body: Buffer): Content {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** A number from 0 to 1 that follows from the ID alone. */
function shareOf(id: string): number {
  let hash = 2_166_136_261;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 16_777_619) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 4_294_967_296;
}
