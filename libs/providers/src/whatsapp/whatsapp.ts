import { createHash } from 'node:crypto';
import { AppError } from '@posthorn/errors/app-error.js';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { z } from 'zod';
import { eventBatch, itemKey } from '../event-batch.js';
import { atPointer, textAt } from '../json-pointer.js';
import { referenceOrCampaign } from '../message-reference.js';
import { foldKeyword, keywordSignal, type Signal } from '../opt-out-keywords.js';
import type { ProviderRequest } from '../provider-request.js';
import {
  accept,
  bodySizeSetting,
  COMMON_SETTINGS,
  identifier,
  label,
  providerEvent,
  refuse,
  unrecognizedEvent,
} from '../provider.js';
import type {
  MessageState,
  Provider,
  ProviderAnswer,
  ProviderEvent,
  ProviderSecret,
  Verdict,
} from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { parseTimestamp } from '../timestamp.js';
import { page } from './page.js';

const SIGNATURE_HEADER = 'x-hub-signature-256';
const SIGNATURE = /^sha256=([0-9a-f]{64})$/;
const CHALLENGE = /^[\x21-\x7e]{1,256}$/;
const PHONE_NUMBER_IDS_MAX = 1000;

/** Meta's words for message states. Source: Meta, "Status messages webhook reference", read 2026-11. */
const STATES: Readonly<Record<string, MessageState>> = {
  ...{ sent: 'sent', delivered: 'delivered', read: 'read', failed: 'undelivered' },
  // A voice message that was listened to.
  played: 'read',
};
/** The contact has stopped marketing messages of this business. */
const OPT_OUT_ERROR = '131050';
/** The text of the button that Meta offers for marketing templates. */
const OPT_OUT_BUTTON = 'stop promotions';
const PREFERENCES: Readonly<Record<string, Signal>> = { stop: 'opt_out', resume: 'opt_in' };

/** Where the text of each type of inbound message is. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  text: ['/text/body'],
  button: ['/button/text'],
  interactive: [
    '/interactive/button_reply/title',
    '/interactive/list_reply/title',
    '/interactive/nfm_reply/body',
  ],
  ...{ image: ['/image/caption'], video: ['/video/caption'], document: ['/document/caption'] },
  ...{ audio: [], sticker: [], location: [], contacts: [], unsupported: [], request_welcome: [] },
  ...{ order: ['/order/text'], reaction: ['/reaction/emoji'] },
};
/** What the business itself wrote into a button. */
const PAYLOADS = ['/button/payload', '/interactive/button_reply/id', '/interactive/list_reply/id'];
const MEDIA = new Set(['image', 'video', 'audio', 'document', 'sticker']);

const settings = COMMON_SETTINGS.extend({
  verifyToken: z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/)
    .optional()
    .describe(
      'Chosen by you, entered at Meta too; proves the endpoint is yours when it is configured; never shown again',
    ),
  phoneNumberIds: z
    .array(z.string().regex(/^\d{1,32}$/))
    .max(PHONE_NUMBER_IDS_MAX)
    .default([])
    .describe('Events of other phone number IDs are kept without content; empty = all are ours'),
  maxBodyBytes: bodySizeSetting(1_048_576),
});
type Settings = z.output<typeof settings>;

/** WhatsApp Cloud API of Meta: inbound messages, statuses, and marketing preferences. */
export const whatsapp: Provider<Settings> = {
  id: 'whatsapp',
  name: 'WhatsApp',
  documentation:
    'https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint',
  schemes: ['X-Hub-Signature-256 over the body'],
  methods: ['POST', 'GET'],
  settings,
  secretSettings: ['verifyToken'],
  secretRequired: true,

  validateSecret(value: string): void {
    if (!/^[\x21-\x7e]{16,128}$/.test(value))
      throw new AppError('secret.invalid', { detail: 'expected an app secret' });
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict {
    // By GET Meta only asks whether the endpoint is ours; what `challenge` did not answer is not for us.
    if (request.method === 'GET')
      return request.query()?.has('hub.verify_token') === true
        ? refuse('signature.mismatch', 'hub.verify_token is not the one of this source')
        : refuse('signature.missing', 'nothing is delivered by GET');
    const signature = request.headers.one(SIGNATURE_HEADER);
    if (signature === undefined) return refuse('signature.missing', 'X-Hub-Signature-256 is missing');
    if (signature === REPEATED) return refuse('signature.malformed', 'X-Hub-Signature-256 stands twice');
    const given = SIGNATURE.exec(signature)?.[1];
    if (given === undefined) return refuse('signature.malformed', 'X-Hub-Signature-256 cannot be read');
    const secret = secrets.find(({ value }) =>
      safeEqual(Buffer.from(given, 'hex'), hmac('sha256', value, request.body)),
    );
    return secret === undefined
      ? refuse('signature.mismatch', 'no app secret of this source made this signature')
      : accept(secret.id);
  },

  parse(request: ProviderRequest, { phoneNumberIds }: Settings): readonly ProviderEvent[] {
    const json = request.json();
    const bodyKey = `body:${digest(request.body)}`;
    const events = listAt(json.isJson ? json.value : undefined, '/entry').flatMap((entry, at) => {
      const changes = listAt(entry, '/changes');
      const entryKey = `${bodyKey}:${at}`;
      if (changes.length === 0)
        return [unrecognizedEvent(itemKey(entry, entryKey), 'an entry without changes')];
      return changes.flatMap((change, index) =>
        changeEvents(entry, change, `${entryKey}:${index}`, phoneNumberIds),
      );
    });
    return events.length === 0
      ? [unrecognizedEvent(bodyKey, 'no list of entries')]
      : eventBatch(events, request.body);
  },

  answer(): ProviderAnswer {
    return { status: 200 };
  },

  challenge(
    request: ProviderRequest,
    _secrets: readonly ProviderSecret[],
    { verifyToken }: Settings,
  ): ProviderAnswer | undefined {
    if (request.method !== 'GET' || verifyToken === undefined) return undefined;
    const [mode, token, challenge] = ['mode', 'verify_token', 'challenge'].map((name) => {
      const values = request.query()?.get(`hub.${name}`);
      return values?.length === 1 ? values[0]! : '';
    }) as [string, string, string];
    if (mode !== 'subscribe' || !CHALLENGE.test(challenge)) return undefined;
    if (!safeEqual(Buffer.from(token), Buffer.from(verifyToken))) return undefined;
    return { status: 200, contentType: 'text/plain; charset=utf-8', body: challenge };
  },

  page,
};

/** One change of one account: a list of messages, of statuses, of preferences, or something else. */
function changeEvents(
  entry: unknown,
  change: unknown,
  place: string,
  phoneNumberIds: readonly string[],
): readonly ProviderEvent[] {
  const field = textAt(change, '/field') ?? '';
  const value = atPointer(change, '/value');
  const readers: Readonly<Record<string, typeof messageEvent>> =
    field === 'messages'
      ? { messages: messageEvent, statuses: statusEvent }
      : field === 'user_preferences'
        ? { user_preferences: preferenceEvent }
        : {};
  const events = Object.entries(readers).flatMap(([name, read]) =>
    listAt(value, `/${name}`).map((item, index) => read(item, value, `${place}:${name}:${index}`)),
  );
  if (events.length === 0) {
    const said = [textAt(entry, '/id'), textAt(entry, '/time'), change];
    return [
      unrecognizedEvent(itemKey(said, place), 'no message event', {
        providerType: label(field),
        occurredAtMs: parseTimestamp(textAt(entry, '/time') ?? '', 'unixSeconds'),
        errorCode: label(textAt(value, '/errors/0/code')),
      }),
    ];
  }
  // One app secret signs for every account of the app: whose number it is decides whose event it is.
  const isOurs = phoneNumberIds.length === 0 || phoneNumberIds.includes(phoneNumberIdIn(value));
  return isOurs ? events : events.map(({ dedupKey, providerType }) => foreign(dedupKey, providerType));
}

const foreign = (dedupKey: string, providerType: string): ProviderEvent =>
  unrecognizedEvent(dedupKey, 'a phone number ID that is not of this source', { providerType });

function messageEvent(item: unknown, value: unknown, place: string): ProviderEvent {
  const text = (at: string): string => textAt(item, at) ?? '';
  const id = identifier(text('/id'));
  const type = text('/type');
  const body = Object.hasOwn(TEXTS, type) ? TEXTS[type]!.map(text).join('') : '';
  const [from, to] = [text('/from') || text('/from_user_id'), numberIn(value)];
  const known = {
    dedupKey: id ?? itemKey(item, place),
    providerMessageId: id ?? '',
    providerType: label(type),
    channel: 'chat' as const,
    direction: 'inbound' as const,
    errorCode: label(text('/errors/0/code')),
    replyTo: identifier(text('/context/id')) ?? '',
    // In a group everybody has a copy of what was sent there.
    replyToRecipient: text('/group_id') === '' ? '' : from,
    signal: signalOf(type, body, text),
    occurredAtMs: parseTimestamp(text('/timestamp'), 'unixSeconds'),
    person: from,
    ours: to,
    content: { from, to, text: body, subject: '', mediaUrls: mediaUrls(type, text) },
  };
  if (id === undefined) return unrecognizedEvent(known.dedupKey, 'no message ID', known);
  if (!Object.hasOwn(TEXTS, type)) return unrecognizedEvent(known.dedupKey, 'unknown type', known);
  return providerEvent({ ...known, type: 'message.received', status: 'received' });
}

function signalOf(type: string, body: string, text: (at: string) => string): Signal | '' {
  if (type !== 'text' && type !== 'button' && type !== 'interactive') return '';
  if (foldKeyword(body) === OPT_OUT_BUTTON) return 'opt_out';
  const keyword = keywordSignal(body);
  // Behind a button "No, thanks" there may be STOP; what else a business calls its buttons means nothing.
  const isOptOut = PAYLOADS.some((at) => keywordSignal(text(at)) === 'opt_out');
  return (isOptOut ? 'opt_out' : keyword) ?? '';
}

/** Where a medium is; without an address of its own, the one that tells it. Both want the access token. */
function mediaUrls(type: string, text: (at: string) => string): readonly string[] {
  if (!MEDIA.has(type)) return [];
  const [url, id] = [text(`/${type}/url`), text(`/${type}/id`)];
  if (url.startsWith('https://')) return [url];
  return /^\w{1,128}$/.test(id) ? [`https://graph.facebook.com/${id}`] : [];
}

function statusEvent(item: unknown, value: unknown, place: string): ProviderEvent {
  const text = (at: string): string => textAt(item, at) ?? '';
  const id = identifier(text('/id'));
  const status = text('/status');
  // In a group each participant has a status of its own; their addresses are no part of a key.
  const participant = text('/recipient_participant_id') || text('/recipient_participant_user_id');
  const suffix = participant === '' ? '' : `:${digest(participant).slice(0, 16)}`;
  const to = participant || text('/recipient_id') || text('/recipient_user_id');
  const from = numberIn(value);
  const codes = listAt(item, '/errors').map((error) => label(textAt(error, '/code')));
  const isOptOut = codes.includes(OPT_OUT_ERROR);
  const reference = referenceOrCampaign(label(text('/biz_opaque_callback_data')));
  const known = {
    dedupKey:
      id === undefined
        ? itemKey(item, place)
        : `${id}:${label(status)}:${label(text('/timestamp'))}${suffix}`,
    providerMessageId: id ?? '',
    // What carries our reference is one message of ours, whoever else has got it.
    recipient: reference.messageReference === '' ? participant : '',
    providerType: 'status',
    channel: 'chat' as const,
    direction: 'outbound' as const,
    providerStatus: label(status),
    errorCode: isOptOut ? OPT_OUT_ERROR : (codes[0] ?? ''),
    ...reference,
    signal: isOptOut ? ('opt_out' as const) : ('' as const),
    occurredAtMs: parseTimestamp(text('/timestamp'), 'unixSeconds'),
    person: to,
    ours: from,
    content: { from, to, text: '', subject: '', mediaUrls: [] },
  };
  const state = Object.hasOwn(STATES, status) ? STATES[status] : undefined;
  if (id === undefined) return unrecognizedEvent(known.dedupKey, 'no message ID', known);
  if (state === undefined) return unrecognizedEvent(known.dedupKey, 'unknown status', known);
  return providerEvent({ ...known, type: `message.${state}`, status: state });
}

/** A contact stops or resumes marketing messages in the app: a wish, but no message. */
function preferenceEvent(item: unknown, value: unknown, place: string): ProviderEvent {
  const text = (at: string): string => textAt(item, at) ?? '';
  const [preference, from] = [text('/value'), text('/wa_id') || text('/user_id')];
  const to = numberIn(value);
  const isMarketing = text('/category') === 'marketing_messages';
  return unrecognizedEvent(itemKey([phoneNumberIdIn(value), item], place), 'a preference, not a message', {
    providerType: 'user_preferences',
    providerStatus: label(preference),
    channel: 'chat',
    direction: 'inbound',
    signal: isMarketing && Object.hasOwn(PREFERENCES, preference) ? PREFERENCES[preference]! : ('' as const),
    occurredAtMs: parseTimestamp(text('/timestamp'), 'unixSeconds'),
    person: from,
    ours: to,
    content: { from, to, text: text('/detail'), subject: '', mediaUrls: [] },
  });
}

const phoneNumberIdIn = (value: unknown): string => textAt(value, '/metadata/phone_number_id') ?? '';

const numberIn = (value: unknown): string =>
  textAt(value, '/metadata/display_phone_number') ?? phoneNumberIdIn(value);

function listAt(value: unknown, pointer: string): readonly unknown[] {
  const found = atPointer(value, pointer);
  return Array.isArray(found) ? found : [];
}

const digest = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
