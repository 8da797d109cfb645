import { createHash, createHmac, generateKeyPairSync, randomBytes, randomUUID, verify } from 'node:crypto';
import {
  type Accepted,
  basicOf,
  bearerOf,
  type Callback,
  type FakeReply,
  FakeProvider,
  type FakeRequest,
  isType,
  jsonFields,
  type Sending,
  text,
} from './fake-provider.js';

const PHONE = /^[1-9]\d{6,14}$/;
const REFERENCE_LENGTH_MAX = 100;
const GSM_ONLY = /^[\x20-\x5f\x61-\x7e\n\r£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà€]*$/;
const SECONDS = 1000;

/** Vonage's SMS, Messages and Reports APIs. Source: Vonage API references, read 2026-11. */
export class FakeVonage extends FakeProvider {
  readonly apiKey = randomBytes(4).toString('hex');
  readonly apiSecret = randomBytes(8).toString('hex');
  readonly applicationId = randomUUID();
  /** Signs callbacks of both APIs. */
  readonly signatureSecret = randomBytes(24).toString('hex');
  /** Reports are bought apart. */
  hasReports = true;
  private readonly keys = generateKeyPairSync('rsa', { modulusLength: 2048 });

  get privateKey(): string {
    return this.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  /** Posts a state of a message, signed as its API signs, to the URL it came with. */
  async callback(message: Accepted, status: string, times = 1, errorCode = 0): Promise<number[]> {
    const isSms = message.fields['api_key'] !== undefined;
    return this.post(isSms ? this.receipt(message, status, errorCode) : this.status(message, status), times);
  }

  protected handle({ method, url, headers, body }: FakeRequest): Sending | FakeReply {
    const call = `${method} ${url.pathname}`;
    if (call === 'POST /sms/json') {
      if (!isType(headers, 'application/x-www-form-urlencoded')) return smsRefusal('2');
      return this.sendSms(Object.fromEntries(new URLSearchParams(body.toString())));
    }
    if (call === 'POST /v1/messages') {
      if (!this.isToken(bearerOf(headers))) return problem(401, 'unauthorized');
      const fields = isType(headers, 'application/json') ? jsonFields(body) : undefined;
      return fields === undefined ? problem(422, '1010') : sendMessage(fields);
    }
    if (call !== 'GET /v2/reports/records') return problem(404, 'not-found');
    if (basicOf(headers) !== `${this.apiKey}:${this.apiSecret}`) return problem(401, 'unauthorized');
    return this.hasReports ? this.records(url.searchParams) : problem(403, 'forbidden');
  }

  private sendSms(form: Readonly<Record<string, string>>): Sending | FakeReply {
    const { from = '', to = '', text: body = '', type = 'text', callback = '' } = form;
    if (form['api_key'] !== this.apiKey || form['api_secret'] !== this.apiSecret) return smsRefusal('4');
    if (from === '' || to === '' || body === '') return smsRefusal('2');
    const reference = form['client-ref'] ?? '';
    if (!PHONE.test(to) || reference.length > REFERENCE_LENGTH_MAX) return smsRefusal('3');
    // The real one sends question marks in place of what the alphabet lacks.
    if (type === 'text' && !GSM_ONLY.test(body)) return smsRefusal('3');
    if (callback !== '' && !URL.canParse(callback)) return smsRefusal('23');
    const id = `0A${randomBytes(7).toString('hex').toUpperCase()}`;
    const part = {
      to,
      'message-id': id,
      status: '0',
      'remaining-balance': '3.14159265',
      'message-price': '0.03330000',
      network: '12345',
      'client-ref': reference,
    };
    return {
      message: { id, reference, to, from, text: body, callbackUrl: callback, fields: form },
      reply: { status: 200, json: { 'message-count': '1', messages: [part] } },
      refuse: smsRefusal,
    };
  }

  private isToken(jwt: string): boolean {
    const [head = '', claimPart = '', signature = ''] = jwt.split('.');
    const claims = jsonFields(Buffer.from(claimPart, 'base64url')) ?? {};
    const now = Date.now() / SECONDS;
    return (
      jsonFields(Buffer.from(head, 'base64url'))?.['alg'] === 'RS256' &&
      verify(
        'sha256',
        Buffer.from(`${head}.${claimPart}`),
        this.keys.publicKey,
        Buffer.from(signature, 'base64url'),
      ) &&
      claims['application_id'] === this.applicationId &&
      text(claims['jti']) !== '' &&
      Number(claims['iat']) <= now + 60 &&
      Number(claims['exp']) > now
    );
  }

  private records(query: URLSearchParams): FakeReply {
    const product = query.get('product');
    const [start, end] = [query.get('date_start') ?? '', query.get('date_end') ?? ''].map(Date.parse);
    const isWellFormed = query.get('account_id') === this.apiKey && query.get('direction') === 'outbound';
    if (!isWellFormed || Number.isNaN(start) || Number.isNaN(end)) return problem(422, 'invalid-params');
    const isSms = product === 'SMS';
    const records = this.accepted
      .filter((message) => (message.fields['api_key'] !== undefined) === isSms)
      .filter(({ to, atMs }) => to === query.get('to') && atMs >= start! && atMs <= end!)
      .map((message) => ({
        account_id: this.apiKey,
        [isSms ? 'message_id' : 'message_uuid']: message.id,
        client_ref: message.reference,
        direction: 'outbound',
        from: message.from,
        to: message.to,
        status: 'delivered',
        date_received: new Date(message.atMs).toISOString(),
      }));
    return { status: 200, json: { request_status: 'SUCCESS', items_count: records.length, records } };
  }

  /** A delivery receipt of the SMS API, signed with HMAC-SHA256 over its fields. */
  private receipt(message: Accepted, status: string, errorCode: number): Callback {
    const at = new Date();
    const stamp = at.toISOString();
    const fields: Record<string, string> = {
      msisdn: message.to,
      to: message.from,
      'network-code': '12345',
      messageId: message.id,
      price: '0.03330000',
      status,
      scts: stamp.slice(2, 16).replace(/[-T:]/g, ''),
      'err-code': String(errorCode),
      'api-key': this.apiKey,
      'client-ref': message.reference,
      'message-timestamp': stamp.slice(0, 19).replace('T', ' '),
      timestamp: String(Math.floor(at.getTime() / SECONDS)),
      nonce: randomUUID(),
    };
    let signed = '';
    for (const name of Object.keys(fields).sort())
      signed += `&${name}=${fields[name]!.replace(/[&=]/g, '_')}`;
    const sig = createHmac('sha256', this.signatureSecret).update(signed).digest('hex');
    const body = JSON.stringify({ ...fields, sig });
    return { url: message.callbackUrl, headers: { 'content-type': 'application/json' }, body };
  }

  /** A status of the Messages API, with a token that holds the body's hash. */
  private status(message: Accepted, status: string): Callback {
    const body = JSON.stringify({
      message_uuid: message.id,
      to: message.to,
      from: message.from,
      timestamp: new Date().toISOString(),
      status,
      client_ref: message.reference,
      channel: message.fields['channel'],
    });
    const claims = {
      iat: Math.floor(Date.now() / SECONDS),
      jti: randomUUID(),
      iss: 'Vonage',
      payload_hash: createHash('sha256').update(body).digest('hex'),
      api_key: this.apiKey,
      application_id: this.applicationId,
    };
    const signed = [{ alg: 'HS256', typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = createHmac('sha256', this.signatureSecret).update(signed).digest('base64url');
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${signed}.${signature}`,
    };
    return { url: message.callbackUrl, headers, body };
  }
}

function sendMessage(fields: Record<string, unknown>): Sending | FakeReply {
  const [to, from] = [text(fields['to']), text(fields['from'])];
  const [channel, type] = [text(fields['channel']), text(fields['message_type'])];
  const image = fields['image'] as { url?: unknown; caption?: unknown } | undefined;
  const reference = text(fields['client_ref']);
  const isText = channel === 'sms' && type === 'text' && text(fields['text']) !== '';
  const isImage = channel === 'mms' && type === 'image' && URL.canParse(text(image?.url));
  const isInOrder =
    PHONE.test(to) && from !== '' && reference.length <= REFERENCE_LENGTH_MAX && (isText || isImage);
  if (!isInOrder) return problem(422, '1150');
  const id = randomUUID();
  return {
    message: {
      id,
      reference,
      to,
      from,
      text: text(fields['text']) || text(image?.caption),
      callbackUrl: text(fields['webhook_url']),
      fields,
    },
    reply: { status: 202, json: { message_uuid: id } },
    refuse: (code) => problem(422, code),
  };
}

const smsRefusal = (status: string): FakeReply => ({
  status: 200,
  json: { 'message-count': '1', messages: [{ status, 'error-text': 'No' }] },
});

const problem = (status: number, code: string): FakeReply => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  json: {
    type: `https://developer.vonage.com/api-errors#${code}`,
    title: 'No',
    detail: 'No.',
    instance: randomUUID(),
  },
});
