import { randomBytes } from 'node:crypto';
import { webhookKey, webhookSignature } from '../wire/signatures.js';
import {
  type Accepted,
  type FakeReply,
  FakeProvider,
  type FakeRequest,
  isType,
  jsonFields,
  type Sending,
  text,
} from './fake-provider.js';

/** An endpoint that speaks Posthorn's own form, as a tenant would write it. */
export class FakeEndpoint extends FakeProvider {
  readonly apiKey = randomBytes(16).toString('hex');
  /** Signs its callbacks, as Standard Webhooks says. */
  readonly secret = `whsec_${randomBytes(32).toString('base64')}`;
  /** What a refusal says of the recipient, by its code. */
  readonly signals = new Map<string, string>();

  /** Posts a state of a message, signed, to the URL it came with. */
  async callback(message: Accepted, status: string, times = 1): Promise<number[]> {
    const body = JSON.stringify({ type: `message.${status}`, data: { id: message.id, status } });
    const id = `msg_${randomBytes(12).toString('hex')}`;
    const timestamp = Math.floor(Date.now() / 1000);
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': webhookSignature(webhookKey(this.secret), id, timestamp, Buffer.from(body)),
    };
    return this.post({ url: message.callbackUrl, headers, body }, times);
  }

  protected handle({ method, headers, body }: FakeRequest): Sending | FakeReply {
    if (headers['x-api-key'] !== this.apiKey) return { status: 401, json: { code: 'key.unknown' } };
    const fields = jsonFields(body);
    const key = text(headers['idempotency-key']);
    if (method !== 'POST' || !isType(headers, 'application/json') || fields === undefined || key === '')
      return { status: 400, json: { code: 'request.malformed' } };
    const known = this.accepted.find(({ reference }) => reference === key);
    if (known !== undefined) return { status: 200, json: { id: known.id } };
    const content = (fields['content'] ?? {}) as Record<string, unknown>;
    const message = {
      id: randomBytes(8).toString('hex'),
      reference: key,
      to: text(fields['to']),
      from: text(fields['from']),
      text: text(content['text']),
      callbackUrl: text(fields['statusCallbackUrl']),
      fields,
    };
    return {
      message,
      reply: { status: 202, json: { id: message.id } },
      refuse: (code) => ({ status: 422, json: { code, signal: this.signals.get(code) } }),
    };
  }
}
