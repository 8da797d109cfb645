import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
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

const MAILBOX = /^[^\s@<>]+@[^\s@<>]+$/;
const UNIQUE_ARGUMENT = /^\(unique_args\['([^']+)'\]="([^"]*)"\)$/;
const LIST_UNSUBSCRIBE = 'List-Unsubscribe';
const LINE_LENGTH_MAX = 998;
/** Or a link to this machine, where the platform under test may have no TLS. */
const HTTPS_LINK = /^<(https:\/\/|http:\/\/127\.0\.0\.1:)[\x21-\x3b\x3d\x3f-\x7e]+>$/;
/** SendGrid sets these itself. Source: SendGrid, "Mail Send errors", headers, read 2026-11. */
const RESERVED_HEADERS = new Set([
  'x-sg-id',
  'x-sg-eid',
  'received',
  'dkim-signature',
  'to',
  'from',
  'subject',
]);

interface Person {
  readonly email?: string;
}
interface Personalization {
  readonly to?: readonly Person[];
  readonly custom_args?: Readonly<Record<string, string>>;
}
interface Part {
  readonly type?: string;
  readonly value?: string;
}

/** SendGrid's Mail Send, Email Activity, and Event Webhook. Source: SendGrid v3 API reference, read 2026-11. */
export class FakeSendgrid extends FakeProvider {
  readonly accessToken = `SG.${randomBytes(16).toString('base64url')}.${randomBytes(32).toString('base64url')}`;
  /** Email Activity is bought apart. */
  hasActivity = true;
  /** Where the account's events go. */
  eventUrl = '';
  private readonly keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

  /** What verifies its callbacks: SubjectPublicKeyInfo in base64. */
  get publicKey(): string {
    return this.keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  }

  /** Posts an event of a message, signed, to the account's URL. */
  async callback(message: Accepted, event: string, times = 1): Promise<number[]> {
    const item = {
      email: message.to,
      timestamp: Math.floor(Date.now() / 1000),
      event,
      sg_event_id: randomBytes(16).toString('base64url'),
      sg_message_id: activityId(message),
      'smtp-id': `<${message.id}@geopod-ismtpd-1>`,
      ...argumentsOf(message),
    };
    // The line end is part of what is signed.
    const body = `${JSON.stringify([item])}\r\n`;
    const timestamp = String(item.timestamp);
    const headers = {
      'content-type': 'application/json',
      'x-twilio-email-event-webhook-timestamp': timestamp,
      'x-twilio-email-event-webhook-signature': sign(
        'sha256',
        Buffer.from(timestamp + body),
        this.keys.privateKey,
      ).toString('base64'),
    };
    return this.post({ url: this.eventUrl, headers, body }, times);
  }

  protected handle({ method, url, headers, body }: FakeRequest): Sending | FakeReply {
    if (bearerOf(headers) !== this.accessToken)
      return refusal(401, 'The provided authorization grant is invalid');
    if (method === 'GET' && url.pathname === '/v3/messages') return this.activity(url.searchParams);
    if (method !== 'POST' || url.pathname !== '/v3/mail/send') return refusal(404, 'Not found');
    if (!isType(headers, 'application/json')) return refusal(415, 'Content-Type should be application/json.');
    const fields = jsonFields(body);
    const wrong = fields === undefined ? 'Bad Request' : whatIsWrong(fields);
    if (fields === undefined || wrong !== '') return refusal(400, wrong);
    const [{ to, custom_args: args = {} }] = fields['personalizations'] as [Personalization];
    const message = {
      id: randomBytes(16).toString('base64url'),
      reference: Object.values(args).join(','),
      to: to![0]!.email!,
      from: (fields['from'] as Person).email!,
      text: ((fields['content'] ?? []) as Part[])[0]?.value ?? '',
      callbackUrl: '',
      fields,
    };
    return {
      message,
      reply: { status: 202, headers: { 'x-message-id': message.id } },
      refuse: (code) => refusal(Number(code), 'No'),
    };
  }

  private activity(query: URLSearchParams): FakeReply {
    if (!this.hasActivity) return refusal(403, 'access forbidden');
    const [, name, value] = UNIQUE_ARGUMENT.exec(query.get('query') ?? '') ?? [];
    if (name === undefined) return refusal(400, 'invalid query');
    const messages = this.accepted
      .filter((message) => argumentsOf(message)[name] === value)
      .slice(0, Number(query.get('limit') ?? 10))
      .map((message) => ({
        from_email: message.from,
        to_email: message.to,
        msg_id: activityId(message),
        status: 'delivered',
        opens_count: 0,
        clicks_count: 0,
        last_event_time: new Date(message.atMs).toISOString(),
      }));
    return { status: 200, json: { messages } };
  }
}

/** The ID of one recipient's mail: that of the request, and which server had it. */
const activityId = ({ id }: Accepted): string => `${id}.recvd-84b96f-0`;

const argumentsOf = ({ fields }: Accepted): Readonly<Record<string, string>> =>
  (fields['personalizations'] as [Personalization])[0].custom_args ?? {};

function whatIsWrong(fields: Record<string, unknown>): string {
  const [personalization] = (fields['personalizations'] ?? []) as Personalization[];
  const parts = (fields['content'] ?? []) as Part[];
  const values = (fields['headers'] ?? {}) as Readonly<Record<string, string>>;
  const headers = Object.keys(values);
  const isTemplate = text(fields['template_id']) !== '';
  const mailboxes = [...(personalization?.to ?? [{}]), (fields['from'] ?? {}) as Person];
  if (personalization === undefined) return 'The personalizations field is required.';
  if (!mailboxes.every(({ email }) => MAILBOX.test(email ?? ''))) return 'Does not contain a valid address.';
  if (!isTemplate && text(fields['subject']) === '') return 'The subject is required.';
  if (!isTemplate && parts.length === 0) return 'The content is required.';
  if (parts.some(({ value }) => (value ?? '') === ''))
    return 'The content value must be a string at least one character in length.';
  if (parts.findIndex(({ type }) => type === 'text/plain') > 0)
    return 'If present, text/plain must come first.';
  if (headers.some((name) => RESERVED_HEADERS.has(name.toLowerCase()))) return 'A reserved header.';
  return whatIsWrongToUnsubscribe(values);
}

/**
 * SendGrid hands these headers on as they are; who reads mail then takes a wrong pair for none.
 * Source: RFC 8058, section 3.1; RFC 5322, section 2.1.1 (a line has 998 characters), read 2026-11.
 */
function whatIsWrongToUnsubscribe(headers: Readonly<Record<string, string>>): string {
  const { [LIST_UNSUBSCRIBE]: link, [`${LIST_UNSUBSCRIBE}-Post`]: post } = headers;
  if (link === undefined && post === undefined) return '';
  if (post !== `${LIST_UNSUBSCRIBE}=One-Click`)
    return 'List-Unsubscribe-Post must be List-Unsubscribe=One-Click.';
  const isLine = `${LIST_UNSUBSCRIBE}: ${link ?? ''}`.length <= LINE_LENGTH_MAX;
  return isLine && HTTPS_LINK.test(link ?? '') ? '' : 'List-Unsubscribe must have an HTTPS URI.';
}

const refusal = (status: number, message: string): FakeReply => ({
  status,
  json: { errors: [{ message, field: null, help: null }] },
});
