import { generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import {
  type Accepted,
  bearerOf,
  type FakeReply,
  FakeProvider,
  type FakeRequest,
  isType,
  jsonFields,
  type Sending,
  text,
} from './fake-provider.js';

const PHONE = /^\+[1-9]\d{6,14}$/;
const PAGE_SIZE_MAX = 50;
const PAGE_SIZE_DEFAULT = 20;
const SPKI_HEADER_BYTES = 12;

/** Telnyx' messages and detail records. Source: Telnyx, "Send a message", "Search detail records", read 2026-11. */
export class FakeTelnyx extends FakeProvider {
  readonly accessToken = `KEY${randomBytes(16).toString('hex')}`;
  private readonly keys = generateKeyPairSync('ed25519');

  /** What verifies its callbacks: 32 bytes in base64. */
  get publicKey(): string {
    const spki = this.keys.publicKey.export({ type: 'spki', format: 'der' });
    return spki.subarray(SPKI_HEADER_BYTES).toString('base64');
  }

  /** Posts a state of a message, signed, to the URL it came with. */
  async callback(message: Accepted, status: string, times = 1, errorCode = ''): Promise<number[]> {
    const body = JSON.stringify({
      data: {
        record_type: 'event',
        event_type: status === 'sent' ? 'message.sent' : 'message.finalized',
        id: randomUUID(),
        occurred_at: new Date().toISOString(),
        payload: {
          ...resource(message, status),
          errors: errorCode === '' ? [] : [{ code: errorCode, title: 'No' }],
        },
      },
      meta: { attempt: 1, delivered_to: message.callbackUrl },
    });
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = sign(null, Buffer.from(`${timestamp}|${body}`), this.keys.privateKey);
    const headers = {
      'content-type': 'application/json',
      'telnyx-timestamp': timestamp,
      'telnyx-signature-ed25519': signature.toString('base64'),
    };
    return this.post({ url: message.callbackUrl, headers, body }, times);
  }

  protected handle({ method, url, headers, body }: FakeRequest): Sending | FakeReply {
    if (bearerOf(headers) !== this.accessToken) return refusal(401, '10009');
    if (method === 'GET' && url.pathname === '/v2/detail_records') return this.records(url.searchParams);
    if (method !== 'POST' || url.pathname !== '/v2/messages') return refusal(404, '10005');
    const fields = jsonFields(body);
    if (!isType(headers, 'application/json') || fields === undefined) return refusal(400, '10015');
    return create(fields);
  }

  private records(query: URLSearchParams): FakeReply {
    if (query.get('filter[record_type]') !== 'messaging') return refusal(422, '10004');
    const size = Number(query.get('page[size]') ?? PAGE_SIZE_DEFAULT);
    if (size > PAGE_SIZE_MAX) return refusal(422, '10015');
    const page = Number(query.get('page[number]') ?? 1);
    const to = query.get('filter[cld]');
    const fromMs = Date.parse(query.get('filter[created_at][gte]') ?? '1970-01-01');
    const found = this.accepted
      .filter((message) => (to === null || message.to === to) && message.atMs >= fromMs)
      .reverse();
    const data = found.slice((page - 1) * size, page * size).map((message) => ({
      record_type: 'message_detail_record',
      uuid: message.id,
      cld: message.to,
      cli: message.from,
      direction: 'outbound',
      message_type: 'SMS',
      status: 'delivered',
      tags: message.reference,
      created_at: new Date(message.atMs).toISOString(),
    }));
    const pages = Math.max(1, Math.ceil(found.length / size));
    const meta = { total_pages: pages, total_results: found.length, page_number: page, page_size: size };
    return { status: 200, json: { data, meta } };
  }
}

function create(fields: Record<string, unknown>): Sending | FakeReply {
  const [to, from, body] = [text(fields['to']), text(fields['from']), text(fields['text'])];
  const pool = text(fields['messaging_profile_id']);
  const media = fields['media_urls'];
  const callbackUrl = text(fields['webhook_url']);
  const tags = fields['tags'] ?? [];
  if (to === '' || (from === '' && pool === '')) return refusal(422, '10004');
  if (!PHONE.test(to)) return refusal(422, '10002');
  if (body === '' && !Array.isArray(media)) return refusal(422, '10004');
  if (callbackUrl !== '' && !URL.canParse(callbackUrl)) return refusal(422, '10003');
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string')) return refusal(422, '10015');
  const message = {
    id: randomUUID(),
    reference: tags.join(','),
    to,
    from: from || pool,
    text: body,
    callbackUrl,
    fields,
  };
  return {
    message,
    reply: { status: 200, json: { data: resource({ ...message, atMs: Date.now() }, 'queued') } },
    refuse: (code) => refusal(code === '40318' ? 429 : 403, code),
  };
}

const resource = ({ id, to, from, text, reference, callbackUrl, atMs }: Accepted, status: string) => ({
  record_type: 'message',
  direction: 'outbound',
  id,
  type: 'SMS',
  from: { phone_number: from, carrier: 'Telnyx', line_type: 'Wireless' },
  to: [{ phone_number: to, status, carrier: '', line_type: '' }],
  text,
  media: [],
  tags: reference === '' ? [] : reference.split(','),
  webhook_url: callbackUrl,
  received_at: new Date(atMs).toISOString(),
  errors: [],
});

const refusal = (status: number, code: string): FakeReply => ({
  status,
  json: { errors: [{ code, title: 'No', detail: 'No.' }] },
});
