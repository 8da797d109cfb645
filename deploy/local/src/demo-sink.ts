import { createServer, type Server } from 'node:http';
import { safeEqual } from '@posthorn/crypto/hmac.js';
import { decodeSigningSecret, signStandardWebhook } from '@posthorn/crypto/signing-secret.js';

const BODY_BYTES_MAX = 65_536;
const KEPT_MAX = 1_000;

/** One delivery as the demo's destination saw it. */
export interface SinkDelivery {
  readonly factId: string;
  readonly type: string;
  readonly isSigned: boolean;
  /** `evt_…`, of the event behind the fact. */
  readonly eventId: string;
}

/** The demo's destination: an HTTP server that checks signatures, as a customer's would. */
export class DemoSink {
  readonly deliveries: SinkDelivery[] = [];
  private readonly server: Server;

  /** @param signingSecret `whsec_…`, asked for at each delivery: the destination is created after this starts. */
  constructor(
    private readonly port: number,
    private readonly signingSecret: () => string | undefined,
  ) {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
      });
      request.on('end', () => {
        response.statusCode = bytes > BODY_BYTES_MAX ? 413 : 204;
        if (request.method === 'POST' && bytes <= BODY_BYTES_MAX)
          this.keep(request.headers, Buffer.concat(chunks));
        response.end();
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/posthorn`;
  }

  start(): Promise<void> {
    return new Promise((done, failed) => {
      this.server.once('error', failed);
      this.server.listen(this.port, '127.0.0.1', () => done());
    });
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(() => done()));
  }

  private keep(headers: NodeJS.Dict<string | string[]>, body: Buffer): void {
    const { type, data } = JSON.parse(body.toString()) as { type: string; data?: { eventId?: string } };
    const factId = String(headers['webhook-id']);
    this.deliveries.push({
      factId,
      type,
      eventId: data?.eventId ?? '',
      isSigned: this.isSigned(headers, factId, body),
    });
    if (this.deliveries.length > KEPT_MAX) this.deliveries.shift();
  }

  private isSigned(headers: NodeJS.Dict<string | string[]>, id: string, body: Buffer): boolean {
    const secret = this.signingSecret();
    if (secret === undefined) return false;
    const expected = signStandardWebhook(
      [decodeSigningSecret(secret)],
      id,
      Number(headers['webhook-timestamp']),
      body,
    );
    const given = String(headers['webhook-signature']).split(' ');
    return given.some((signature) => safeEqual(Buffer.from(signature), Buffer.from(expected)));
  }
}
