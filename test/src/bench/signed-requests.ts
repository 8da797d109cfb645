import { randomInt } from 'node:crypto';
import { webhookKey, webhookSignature } from '../wire/signatures.js';
import { type SourceTarget } from '../load/workload.js';

export const BODY_BYTES = 1_024;
const PREPARED_MAX = 300_000;
const CONTACTS = 5_000;
const OPT_OUTS_MAX = 9_000_000;

/**
 * Requests of a bench, as the bytes that go over the wire: Standard Webhooks, bodies of 1,024 bytes, each with a
 * message of its own, sources in turn. Signed before the clock runs, up to a bound; beyond it while it runs.
 */
export class SignedRequests {
  private readonly prepared: Buffer[] = [];
  private next = 0;
  private readonly keys: Buffer[];
  private readonly heads: string[];
  /** Who said STOP in a run before does not say it for the first time. */
  private readonly firstContact = randomInt(OPT_OUTS_MAX);

  /** @param run tells the IDs of one cell from all others. @param optOutEvery each so many-th is a STOP; 0: none. */
  constructor(
    private readonly sources: readonly SourceTarget[],
    private readonly run: string,
    private readonly optOutEvery = 0,
  ) {
    this.keys = sources.map(({ secret }) => webhookKey(secret));
    this.heads = sources.map(({ url }) => {
      const { pathname, host } = new URL(url);
      return `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${BODY_BYTES}\r\n`;
    });
  }

  /** How many were handed out. */
  get taken(): number {
    return this.next;
  }

  prepare(count: number): void {
    const bound = Math.min(count, PREPARED_MAX);
    while (this.prepared.length < bound) this.prepared.push(this.make(this.prepared.length));
  }

  take(): Buffer {
    const at = this.next++;
    const prepared = this.prepared[at];
    if (prepared === undefined) return this.make(at);
    this.prepared[at] = undefined as never;
    return prepared;
  }

  private make(n: number): Buffer {
    const at = n % this.sources.length;
    const messageId = messageIdOf(this.run, n);
    const isOptOut = this.optOutEvery > 0 && n % this.optOutEvery === 0;
    const body = isOptOut ? optOutBodyOf(messageId, this.firstContact + n) : bodyOf(messageId, n);
    const seconds = Math.floor(Date.now() / 1000);
    const signature = webhookSignature(this.keys[at]!, messageId, seconds, body);
    const head = `${this.heads[at]!}webhook-id: ${messageId}\r\nwebhook-timestamp: ${seconds}\r\nwebhook-signature: ${signature}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head, 'latin1'), body]);
  }
}

/** The message of the nth request of a run. */
export const messageIdOf = (run: string, n: number): string => `${run}-${String(n).padStart(8, '0')}`;

/** A body of exactly 1,024 bytes. */
function bodyOf(messageId: string, n: number): Buffer {
  const to = `+1202${String(1_000_000 + (n % CONTACTS))}`;
  return padded('message.sent', messageId, `"from":"+15005550006","to":"${to}","campaign":"bench"`);
}

/** A STOP of the same length, of a contact of its own. */
function optOutBodyOf(messageId: string, n: number): Buffer {
  const from = `+1203${String(1_000_000 + (n % OPT_OUTS_MAX))}`;
  return padded('message.received', messageId, `"from":"${from}","to":"+15005550006","text":"STOP"`);
}

function padded(type: string, messageId: string, fields: string): Buffer {
  const start = `{"type":"${type}","timestamp":"${new Date().toISOString()}","data":{"messageId":"${messageId}","channel":"sms",${fields},"pad":"`;
  return Buffer.from(`${start.padEnd(BODY_BYTES - 3, 'x')}"}}`, 'latin1');
}
