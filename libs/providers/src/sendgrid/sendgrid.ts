import { createHash, createPublicKey, verify as verifySignature, type KeyObject } from 'node:crypto';
import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';
import { decodedSecrets } from '../decoded-secret.js';
import { eventBatch } from '../event-batch.js';
import { textAt } from '../json-pointer.js';
import { messageReference } from '../message-reference.js';
import { htmlText, mailAddress, mailHeader, mailId, mailKey, mailSignal } from '../mail.js';
import { partText, type FormPart } from '../multipart.js';
import type { ProviderRequest } from '../provider-request.js';
import {
  accept,
  bodySizeSetting,
  COMMON_SETTINGS,
  freshnessSetting,
  identifier,
  label,
  providerEvent,
  refuse,
  unrecognizedEvent,
} from '../provider.js';
import type {
  EventSignal,
  MessageState,
  Provider,
  ProviderAnswer,
  ProviderEvent,
  ProviderSecret,
  Verdict,
} from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { strictBase64 } from '../strict-base64.js';
import { parseTimestamp } from '../timestamp.js';
import { page } from './page.js';

const SIGNATURE_HEADER = 'x-twilio-email-event-webhook-signature';
const TIMESTAMP_HEADER = 'x-twilio-email-event-webhook-timestamp';
const SPKI_LENGTH_MAX = 512;
const DAY_SECONDS = 86_400;

/**
 * SendGrid's events, as the state that each is evidence of. Who clicks has read; who unsubscribes or complains
 * has been delivered to. Source: Twilio, "Event Webhook Reference", read 2026-11.
 */
const STATES: Readonly<Record<string, MessageState>> = {
  ...{ processed: 'accepted', deferred: 'queued', delivered: 'delivered', dropped: 'failed' },
  ...{ bounce: 'undelivered', blocked: 'undelivered', open: 'read', click: 'read' },
  ...{ spamreport: 'delivered', unsubscribe: 'delivered', group_unsubscribe: 'delivered' },
  group_resubscribe: 'delivered',
};
const SIGNALS: Readonly<Record<string, EventSignal>> = {
  ...{ spamreport: 'complaint', unsubscribe: 'opt_out', group_unsubscribe: 'opt_out' },
  // Deferred: SendGrid goes on trying, with one such event for each try.
  ...{ group_resubscribe: 'opt_in', blocked: 'soft_bounce', deferred: 'soft_bounce' },
};
/** Why SendGrid did not send; what is not in the list is free text and stays in the raw request. */
const DROP_REASONS = new Map([
  ['unsubscribed address', 'unsubscribed_address'],
  ['spam reporting address', 'spam_reporting_address'],
  ['bounced address', 'bounced_address'],
  ['invalid', 'invalid'],
  ['invalid smtpapi header', 'invalid_smtpapi_header'],
  ['spam content', 'spam_content'],
  ['recipient list over package quota', 'over_quota'],
]);
/** Drops that repeat what the contact asked for, or what became of a mail, before. */
const DROP_SIGNALS = new Map<string, EventSignal>([
  ['unsubscribed_address', 'opt_out'],
  ['spam_reporting_address', 'complaint'],
  ['bounced_address', 'hard_bounce'],
  ['invalid', 'hard_bounce'],
]);
/** The custom argument that a message of ours is sent with. */
const REFERENCE_FIELD = 'posthorn_message_id';
/** The Message-ID of a mail that SendGrid sent begins with the ID that the send was answered with. */
const OWN_MAIL = /^([^.@]+)[^@]*@(?:geopod-)?ismtpd\b/;
const ENHANCED_STATUS = /^[245]\.\d{1,3}\.\d{1,3}$/;

const settings = COMMON_SETTINGS.extend({
  product: z
    .enum(['events', 'inbound-parse'])
    .default('events')
    .describe('Event Webhook, or Inbound Parse with a security policy that signs'),
  // Its retries last up to 24 h (events) and 72 h (mails), and whether each is signed anew is not documented.
  freshnessSeconds: freshnessSetting(3 * DAY_SECONDS + 3600, 7 * DAY_SECONDS),
  // Batches of events reach 768 KiB.
  maxBodyBytes: bodySizeSetting(1_048_576),
});
type Settings = z.output<typeof settings>;

const keyOf = decodedSecrets(publicKey);

/** Twilio SendGrid: Event Webhook and Inbound Parse. */
export const sendgrid: Provider<Settings> = {
  id: 'sendgrid',
  name: 'SendGrid',
  documentation: 'https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event',
  schemes: ['ECDSA P-256 over timestamp and body'],
  methods: ['POST'],
  settings,
  secretRequired: true,

  validateSecret(value: string): void {
    publicKey(value);
  },

  // Inbound Parse documents that it tries again after 5xx only: a key that reaches us late must not lose mails.
  refusalStatus: { 'signature.mismatch': 503 },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict {
    const signature = request.headers.one(SIGNATURE_HEADER);
    const timestamp = request.headers.one(TIMESTAMP_HEADER);
    if (signature === undefined || timestamp === undefined)
      return refuse('signature.missing', `${SIGNATURE_HEADER} and ${TIMESTAMP_HEADER} are needed`);
    if (signature === REPEATED || timestamp === REPEATED)
      return refuse('signature.malformed', 'a signature header stands twice');
    const given = strictBase64(signature);
    const signedAtMs = parseTimestamp(timestamp, 'unixSeconds');
    if (given === undefined || signedAtMs === undefined)
      return refuse('signature.malformed', 'the signature or its timestamp cannot be read');
    const signed = Buffer.concat([Buffer.from(timestamp), request.body]);
    const secret = secrets.find((each) => {
      const key = keyOf(each);
      return key !== undefined && verifySignature('sha256', signed, key, given);
    });
    return secret === undefined
      ? refuse('signature.mismatch', 'no verification key of this source fits this signature')
      : accept(secret.id, signedAtMs);
  },

  parse(request: ProviderRequest, { product }: Settings): readonly ProviderEvent[] {
    return product === 'events' ? eventsIn(request) : [mailIn(request)];
  },

  answer(): ProviderAnswer {
    return { status: 200 };
  },

  page,
};

function eventsIn(request: ProviderRequest): readonly ProviderEvent[] {
  const json = request.json();
  const items = json.isJson && Array.isArray(json.value) ? (json.value as unknown[]) : [];
  if (items.length === 0) return [unrecognizedEvent(`body:${digest(request.body)}`, 'no list of events')];
  return eventBatch(items.map(eventOf), request.body);
}

function eventOf(item: unknown): ProviderEvent {
  const text = (name: string): string => textAt(item, `/${name}`) ?? '';
  const id = identifier(text('sg_event_id'));
  const event = text('event');
  const email = text('email');
  const reference = messageReference(text(REFERENCE_FIELD));
  const known = {
    dedupKey: id === undefined ? `item:${digest(JSON.stringify(item))}` : `id:${id}`,
    providerEventId: id ?? '',
    providerType: label(event),
    // Before the first dot stands the ID that the send was answered with.
    providerMessageId: identifier(text('sg_message_id').split('.', 1)[0]) ?? '',
    // All recipients of a send share it. A message of ours has one, and its command knows it by that ID.
    recipient: reference === '' ? email : '',
    channel: 'email' as const,
    direction: 'outbound' as const,
    campaign: campaignOf(text),
    messageReference: reference,
    signal: signalOf(event, text),
    occurredAtMs: parseTimestamp(text('timestamp'), 'unixSeconds'),
    person: email,
    content: email === '' ? undefined : { from: '', to: email, text: '', subject: '', mediaUrls: [] },
  };
  const state = stateOf(event, item);
  if (state === undefined) return unrecognizedEvent(known.dedupKey, 'unknown event', known);
  if (known.providerMessageId === '') return unrecognizedEvent(known.dedupKey, 'no message ID', known);
  return providerEvent({
    ...known,
    type: `message.${state}`,
    status: state,
    providerStatus: event === 'bounce' ? label(`bounce.${text('type') || 'bounce'}`) : known.providerType,
    errorCode: errorCodeOf(event, text),
  });
}

function stateOf(event: string, item: unknown): MessageState | undefined {
  // A mail program's proxy that fetches every image proves delivery, not reading.
  if (event === 'open' && textAt(item, '/sg_machine_open') === 'true') return 'delivered';
  return Object.hasOwn(STATES, event) ? STATES[event] : undefined;
}

function signalOf(event: string, text: (name: string) => string): EventSignal | '' {
  if (event === 'dropped') return DROP_SIGNALS.get(errorCodeOf(event, text)) ?? '';
  if (event === 'bounce') return text('type') === 'blocked' ? 'soft_bounce' : 'hard_bounce';
  return (Object.hasOwn(SIGNALS, event) ? SIGNALS[event] : undefined) ?? '';
}

function errorCodeOf(event: string, text: (name: string) => string): string {
  if (event === 'dropped') return DROP_REASONS.get(text('reason').toLowerCase()) ?? 'dropped';
  const status = text('status');
  return ENHANCED_STATUS.test(status) ? status : '';
}

const campaignOf = (text: (name: string) => string): string =>
  label(text('singlesend_id')) ||
  label(text('marketing_campaign_id')) ||
  label(text('category')) ||
  label(text('category/0'));

/** A mail to an address of ours. Source: Twilio, "Inbound Email Parse Webhook", read 2026-11. */
function mailIn(request: ProviderRequest): ProviderEvent {
  const parts = request.multipart();
  if (parts === undefined)
    return unrecognizedEvent(`body:${digest(request.body)}`, 'the body is not a well-formed multipart form');
  const charsets = jsonOf(fieldOf(parts, 'charsets'));
  const field = (name: string): string => fieldOf(parts, name, textAt(charsets, `/${name}`));
  const envelope = jsonOf(field('envelope'));
  const recipients = envelopeRecipients(envelope);
  const [from, to, subject] = [field('from'), field('to'), field('subject')];
  // With "send raw" the whole mail stands in one field.
  const head = field('headers') || field('email');
  const id = mailId(mailHeader(head, 'message-id'));
  const sender = textAt(envelope, '/from') ?? '';
  const timestamp = request.headers.one(TIMESTAMP_HEADER);
  const person = mailAddress(from) || sender;
  const text = field('text') || htmlText(field('html'));
  const known = {
    dedupKey: mailKey(id ?? fieldsDigest(parts), sender, recipients.toSorted()),
    providerMessageId: id ?? '',
    providerType: 'inbound-parse',
    channel: 'email' as const,
    direction: 'inbound' as const,
    replyTo: answeredId(head),
    signal: mailSignal(subject, text) ?? ('' as const),
    occurredAtMs: typeof timestamp === 'string' ? parseTimestamp(timestamp, 'unixSeconds') : undefined,
    person,
    ours: recipients[0] ?? mailAddress(to),
    content: { from, to, text, subject, mediaUrls: [] },
  };
  if (person === '') return unrecognizedEvent(known.dedupKey, 'no sender', known);
  return providerEvent({
    ...known,
    providerMessageId: id ?? known.dedupKey,
    type: 'message.received',
    status: 'received',
  });
}

/** The mail that this one answers: of a mail of ours the ID that its events carry. */
function answeredId(head: string): string {
  const id = mailId(mailHeader(head, 'in-reply-to')) ?? '';
  return OWN_MAIL.exec(id)?.[1] ?? id;
}

function envelopeRecipients(envelope: unknown): readonly string[] {
  const to = typeof envelope === 'object' && envelope !== null && 'to' in envelope ? envelope.to : [];
  return (Array.isArray(to) ? to : []).filter((each) => typeof each === 'string');
}

function fieldOf(parts: readonly FormPart[], name: string, charset?: string): string {
  const part = parts.find((each) => each.name === name && each.fileName === undefined);
  return part === undefined ? '' : partText(part, charset);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Of what a mail without a Message-ID says: the boundary between its parts may differ in a repetition. */
function fieldsDigest(parts: readonly FormPart[]): string {
  const hash = createHash('sha256');
  for (const { name, body } of parts) hash.update(`${JSON.stringify(name)}:${body.length}:`).update(body);
  return hash.digest('hex');
}

/** @throws AppError `secret.invalid` */
function publicKey(value: string): KeyObject {
  const bytes = value.length > SPKI_LENGTH_MAX ? undefined : strictBase64(value);
  try {
    const key = createPublicKey({ key: bytes ?? Buffer.alloc(0), format: 'der', type: 'spki' });
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch {
    // Told below: the library's own words would not help.
  }
  throw new AppError('secret.invalid', { detail: 'expected the verification key: P-256, SPKI in base64' });
}

const digest = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
