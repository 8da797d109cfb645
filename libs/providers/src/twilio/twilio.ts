import { createHash } from 'node:crypto';
import { AppError } from '@posthorn/errors/app-error.js';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { z } from 'zod';
import type { FormFields } from '../form.js';
import { messageReference } from '../message-reference.js';
import { keywordSignal, type Signal } from '../opt-out-keywords.js';
import type { ProviderRequest } from '../provider-request.js';
import {
  accept,
  COMMON_SETTINGS,
  identifier,
  providerEvent,
  refuse,
  unrecognizedEvent,
} from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { conversationEvent, conversationKey, isConversationEvent } from './conversations.js';
import { eventStream, isEventStream } from './event-streams.js';
import { channelOf, errorSignal, stateOf } from './message-words.js';
import { page } from './page.js';

const SIGNATURE_HEADER = 'x-twilio-signature';
const IDEMPOTENCY_HEADER = 'i-twilio-idempotency-token';
const BODY_HASH = /[?&]bodySHA256=([0-9a-f]{64})(?:&|$)/;
const MEDIA_MAX = 10;
const EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>';

const INBOUND_TYPE = 'inbound';
const INBOUND_STATES = new Set(['received', 'receiving']);
const OPT_OUT_TYPES: Readonly<Record<string, Signal>> = { STOP: 'opt_out', START: 'opt_in', HELP: 'help' };

const settings = COMMON_SETTINGS.extend({
  accountSid: z
    .string()
    .regex(/^AC[0-9a-f]{32}$/i)
    .optional()
    .describe('Requests of another account are refused'),
});
type Settings = z.output<typeof settings>;

/** In the query of a status callback's URL: Twilio keeps no reference of ours, and calls the URL as it was given. */
const REFERENCE_FIELD = 'posthorn-message';
/** A retry of a webhook differs in this field from the first try. */
const RETRY_FIELD = 'RetryCount';

/** Twilio: Programmable Messaging, Event Streams, and Conversations. */
export const twilio: Provider<Settings> = {
  id: 'twilio',
  name: 'Twilio',
  documentation: 'https://www.twilio.com/docs/usage/security#validating-requests',
  schemes: ['X-Twilio-Signature over URL and form fields', 'X-Twilio-Signature with bodySHA256'],
  methods: ['POST', 'GET'],
  settings,
  secretRequired: true,

  validateSecret(value: string): void {
    if (!/^[\x21-\x7e]{1,128}$/.test(value))
      throw new AppError('secret.invalid', { detail: 'expected an auth token' });
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[], { accountSid }: Settings): Verdict {
    const signature = request.headers.one(SIGNATURE_HEADER);
    if (signature === undefined) return refuse('signature.missing', 'X-Twilio-Signature is missing');
    if (signature === REPEATED) return refuse('signature.malformed', 'X-Twilio-Signature stands twice');
    const suffix = signedSuffix(request);
    if (suffix === undefined) return refuse('signature.malformed', 'the body is not a well-formed form');
    if (suffix === BODY_DIFFERS)
      return refuse('signature.mismatch', 'bodySHA256 is not the hash of the body');

    const given = Buffer.from(signature);
    const candidates = urlCandidates(request.url);
    const secret = secrets.find(({ value }) =>
      candidates.some((url) =>
        safeEqual(given, Buffer.from(hmac('sha1', value, url, suffix).toString('base64'))),
      ),
    );
    if (secret === undefined)
      return refuse('signature.mismatch', 'no auth token of this source made this signature');
    const account = fieldsOf(request)?.get('AccountSid')?.[0];
    if (accountSid !== undefined && account !== undefined && account !== accountSid) {
      return refuse('signature.mismatch', 'AccountSid is not the one of this source');
    }
    return accept(secret.id);
  },

  parse(request: ProviderRequest, { accountSid }: Settings): readonly ProviderEvent[] {
    const json = isJsonSigned(request) ? request.json() : undefined;
    if (json?.isJson === true && isEventStream(json.value))
      return eventStream(json.value, accountSid, request.body, `body:${digest(request)}`);
    const fields = fieldsOf(request);
    const first = (name: string): string => fields?.get(name)?.[0] ?? '';
    const providerEventId = headerText(request, IDEMPOTENCY_HEADER);
    if (isConversationEvent(first('EventType'))) return [inConversation(request, first, providerEventId)];
    const messageSid = identifier(first('MessageSid') || first('SmsSid') || first('SmsMessageSid'));
    const status = first('MessageStatus') || first('SmsStatus');
    if (messageSid === undefined) {
      return [
        unrecognizedEvent(`body:${digest(request)}`, 'no MessageSid', {
          providerEventId,
          providerType: 'unknown',
        }),
      ];
    }
    const known = {
      providerEventId,
      providerMessageId: messageSid,
      channel: channelOf(first('From'), first('To')),
      providerStatus: status.slice(0, 64),
      messageReference: referenceIn(request),
    };
    if (INBOUND_STATES.has(status) || (status === '' && (fields?.has('Body') ?? false)))
      return [inbound(messageSid, known, first, fields)];
    const state = stateOf(status);
    const errorCode = first('ErrorCode').slice(0, 64);
    const dedupKey = `${messageSid}:${status}:${errorCode}`;
    if (state === undefined)
      return [unrecognizedEvent(dedupKey, 'unknown MessageStatus', { ...known, providerType: 'status' })];
    return [
      providerEvent({
        ...known,
        dedupKey,
        type: `message.${state}`,
        providerType: 'status',
        direction: 'outbound',
        status: state,
        errorCode,
        signal: errorSignal(errorCode),
        person: first('To'),
        ours: first('From') || first('MessagingServiceSid'),
        content: { from: first('From'), to: first('To'), text: '', subject: '', mediaUrls: [] },
      }),
    ];
  },

  answer(events: readonly ProviderEvent[]): ProviderAnswer {
    // Inbound wants TwiML: an empty document says "no reply"; anything else is logged as error 12300.
    if (events.some(({ providerType }) => providerType === INBOUND_TYPE))
      return { status: 200, contentType: 'text/xml; charset=utf-8', body: EMPTY_TWIML };
    // To a question before an action, 200 without content says: as it is.
    return { status: events.some(({ providerType }) => isConversationEvent(providerType)) ? 200 : 204 };
  },

  page,
};

function inConversation(
  request: ProviderRequest,
  first: (name: string) => string,
  providerEventId: string,
): ProviderEvent {
  const eventType = first('EventType');
  const dedupKey = conversationKey(eventType, first) ?? `body:${digest(request, RETRY_FIELD)}`;
  const known = { dedupKey, providerEventId, providerType: eventType };
  return conversationEvent(eventType, first, parsedJson(first('Media')), known);
}

function inbound(
  messageSid: string,
  known: Partial<ProviderEvent>,
  first: (name: string) => string,
  fields: FormFields | undefined,
): ProviderEvent {
  const text = first('Body');
  const count = Math.min(Number.parseInt(first('NumMedia'), 10) || 0, MEDIA_MAX);
  const mediaUrls = Array.from(
    { length: count },
    (_, index) => fields?.get(`MediaUrl${index}`)?.[0] ?? '',
  ).filter((url) => url !== '');
  return providerEvent({
    ...known,
    // A second inbound webhook for one message is a repetition, whatever else it says.
    dedupKey: messageSid,
    type: 'message.received',
    providerType: INBOUND_TYPE,
    direction: 'inbound',
    status: 'received',
    // Of a chat: the message that was swiped to be answered.
    replyTo: identifier(first('OriginalRepliedMessageSid')) ?? '',
    signal: OPT_OUT_TYPES[first('OptOutType').toUpperCase()] ?? keywordSignal(text) ?? '',
    person: first('From'),
    ours: first('To'),
    content: { from: first('From'), to: first('To'), text, subject: '', mediaUrls },
  });
}

const BODY_DIFFERS = Symbol('body differs');

/**
 * What is signed after the URL: nothing for GET and JSON (there the URL carries the body's hash), else every
 * field sorted by name, name then value, repeated values once and sorted.
 * Source: twilio-node 6.2.0, lib/webhooks/webhooks.js, read 2026-11.
 */
function signedSuffix(request: ProviderRequest): string | undefined | typeof BODY_DIFFERS {
  const bodyHash = BODY_HASH.exec(request.url)?.[1];
  if (bodyHash !== undefined)
    return safeEqual(Buffer.from(bodyHash), Buffer.from(digest(request))) ? '' : BODY_DIFFERS;
  const fields = request.form();
  if (fields === undefined) return undefined;
  let suffix = '';
  for (const name of [...fields.keys()].sort()) {
    const values = fields.get(name)!;
    for (const value of values.length === 1 ? values : [...new Set(values)].sort()) suffix += name + value;
  }
  return suffix;
}

const AUTHORITY = /^([a-z][a-z0-9+.-]*:\/\/)((?:[^/?#@]*@)?)(\[[^\]]*\]|[^/?#:]*)((?::\d*)?)/i;

/** The URL without a port, and with one (its own, else the scheme's): Twilio signs either. */
function urlCandidates(url: string): string[] {
  const match = AUTHORITY.exec(url);
  if (match === null) return [url];
  const [prefix, scheme, userInfo, host, port] = match as unknown as [string, string, string, string, string];
  const rest = url.slice(prefix.length);
  const withPort = port === '' ? (scheme.toLowerCase() === 'https://' ? ':443' : ':80') : port;
  return [scheme + userInfo + host + rest, scheme + userInfo + host + withPort + rest];
}

/** The fields of a form, of a GET's query, or the texts of a flat JSON object. */
function fieldsOf(request: ProviderRequest): FormFields | undefined {
  if (request.method === 'GET') return request.query();
  if (!isJsonSigned(request)) return request.form();
  const json = request.json();
  if (!json.isJson || typeof json.value !== 'object' || json.value === null) return undefined;
  const texts = Object.entries(json.value).filter(
    ([, value]) => typeof value === 'string' || typeof value === 'number',
  );
  return new Map(texts.map(([name, value]) => [name, [String(value)]]));
}

/** Looked for before it is parsed: most URLs have no query. */
const referenceIn = (request: ProviderRequest): string =>
  request.url.includes(REFERENCE_FIELD) ? messageReference(request.query()?.get(REFERENCE_FIELD)?.[0]) : '';

function headerText(request: ProviderRequest, name: string): string {
  const value = request.headers.one(name);
  return value === REPEATED ? '' : (identifier(value) ?? '');
}

const isJsonSigned = (request: ProviderRequest): boolean =>
  request.method !== 'GET' && BODY_HASH.test(request.url);

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** @param except a field of a form that does not count. */
function digest(request: ProviderRequest, except?: string): string {
  const hash = createHash('sha256');
  if (request.method === 'GET') return hash.update(request.target).digest('hex');
  if (except === undefined) return hash.update(request.body).digest('hex');
  const parts = request.body.toString('latin1').split('&');
  return hash.update(parts.filter((part) => !part.startsWith(`${except}=`)).join('&')).digest('hex');
}
