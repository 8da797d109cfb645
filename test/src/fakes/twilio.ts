import { randomBytes, randomUUID } from 'node:crypto';
import { twilioSignature } from '../wire/signatures.js';
import {
  type Accepted,
  basicOf,
  type FakeReply,
  FakeProvider,
  type FakeRequest,
  isType,
  type Sending,
} from './fake-provider.js';

const ADDRESS = /^(\+[1-9]\d{6,14}|[a-z]+:.+)$/;
const BODY_LENGTH_MAX = 1600;
const PAGE_SIZE_DEFAULT = 50;
const ACCOUNT_PATH = '/2010-04-01/Accounts/';

/** Twilio's Messages API. Source: Twilio, "Messages resource", read 2026-11. */
export class FakeTwilio extends FakeProvider {
  readonly accountSid = `AC${randomBytes(16).toString('hex')}`;
  readonly authToken = randomBytes(16).toString('hex');

  /** Posts a state of a message, signed, to the URL it came with. */
  async callback(message: Accepted, status: string, times = 1, errorCode = ''): Promise<number[]> {
    const fields = {
      ApiVersion: '2010-04-01',
      AccountSid: this.accountSid,
      MessageSid: message.id,
      SmsSid: message.id,
      MessageStatus: status,
      SmsStatus: status,
      To: message.to,
      From: message.from,
      ...(errorCode !== '' && { ErrorCode: errorCode }),
    };
    const headers = {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'x-twilio-signature': twilioSignature(this.authToken, message.callbackUrl, fields),
      'i-twilio-idempotency-token': randomUUID(),
    };
    const body = new URLSearchParams(fields).toString();
    return this.post({ url: message.callbackUrl, headers, body }, times);
  }

  protected handle({ method, url, headers, body }: FakeRequest): Sending | FakeReply {
    if (basicOf(headers) !== `${this.accountSid}:${this.authToken}`) return refusal(401, 20003);
    if (url.pathname !== `${ACCOUNT_PATH}${this.accountSid}/Messages.json`) return refusal(404, 20404);
    if (method === 'GET') return this.list(url);
    if (method !== 'POST' || !isType(headers, 'application/x-www-form-urlencoded'))
      return refusal(400, 20001);
    return this.create(new URLSearchParams(body.toString()));
  }

  private create(form: URLSearchParams): Sending | FakeReply {
    const of = (name: string): string => form.get(name) ?? '';
    const media = form.getAll('MediaUrl');
    const callbackUrl = of('StatusCallback');
    if (!ADDRESS.test(of('To'))) return refusal(400, 21211);
    if (of('From') === '' && of('MessagingServiceSid') === '') return refusal(400, 21603);
    if (of('Body') === '' && media.length === 0 && of('ContentSid') === '') return refusal(400, 21602);
    if (of('Body').length > BODY_LENGTH_MAX) return refusal(400, 21617);
    if (callbackUrl !== '' && !URL.canParse(callbackUrl)) return refusal(400, 21609);
    const message = {
      id: `${media.length > 0 ? 'MM' : 'SM'}${randomBytes(16).toString('hex')}`,
      reference: '',
      to: of('To'),
      from: of('From') || of('MessagingServiceSid'),
      text: of('Body'),
      callbackUrl,
      fields: { ...Object.fromEntries(form), mediaUrls: media },
    };
    const json = this.resource({ ...message, atMs: Date.now() });
    return { message, reply: { status: 201, json }, refuse: (code) => refusal(400, Number(code)) };
  }

  /** Newest first, in pages. */
  private list(url: URL): FakeReply {
    const size = Number(url.searchParams.get('PageSize') ?? PAGE_SIZE_DEFAULT);
    const page = Number(url.searchParams.get('Page') ?? 0);
    const to = url.searchParams.get('To');
    const all = this.accepted.filter((message) => to === null || message.to === to).reverse();
    const next = new URLSearchParams(url.searchParams);
    next.set('Page', String(page + 1));
    const hasNext = all.length > (page + 1) * size;
    const messages = all.slice(page * size, (page + 1) * size).map((message) => this.resource(message));
    const uri = hasNext ? `${url.pathname}?${next.toString()}` : null;
    return { status: 200, json: { messages, page, page_size: size, next_page_uri: uri } };
  }

  private resource({ id, to, from, text, atMs }: Accepted) {
    const isPool = from.startsWith('MG');
    return {
      sid: id,
      account_sid: this.accountSid,
      messaging_service_sid: isPool ? from : null,
      from: isPool ? null : from,
      to,
      body: text,
      direction: 'outbound-api',
      status: isPool ? 'accepted' : 'queued',
      date_created: new Date(atMs).toUTCString().replace('GMT', '+0000'),
      date_sent: null,
      error_code: null,
      error_message: null,
      api_version: '2010-04-01',
    };
  }
}

const refusal = (status: number, code: number): FakeReply => ({
  status,
  json: {
    code,
    message: 'No.',
    more_info: `https://www.twilio.com/docs/errors/${code}`,
    status,
  },
});
