import { referenceOrCampaign } from '../message-reference.js';
import { keywordSignal } from '../opt-out-keywords.js';
import { identifier, label, PARTS_MAX, providerEvent, unrecognizedEvent } from '../provider.js';
import type { MessagePart, MessageState, ProviderEvent } from '../provider.js';
import { parseTimestamp } from '../timestamp.js';

/** The fields of one request, each once. */
export type SmsFields = ReadonlyMap<string, string>;

/** Words of delivery receipts. Source: Vonage, "Delivery Receipts", read 2026-11. */
const STATES: Readonly<Record<string, MessageState>> = {
  ...{ accepted: 'accepted', buffered: 'queued', delivered: 'delivered', expired: 'expired' },
  ...{ failed: 'undelivered', rejected: 'failed', unknown: 'unknown' },
};
/** The contact sent STOP; the contact's consent is missing where a register asks for it. */
const OPT_OUT_ERRORS = new Set(['9', '53']);
const NO_ERROR = '0';
const MESSAGE_TIMESTAMP = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?: ?(?:Z|[+-]00:?00))?$/;

/** The event of one webhook of the SMS API. @param fallbackKey for one without a message ID. */
export function smsEvent(fields: SmsFields, fallbackKey: string): ProviderEvent {
  const messageId = identifier(fields.get('messageId'));
  if (messageId === undefined) return unrecognizedEvent(fallbackKey, 'no messageId');
  if (fields.has('status')) return receipt(messageId, fields);
  return fields.has('msisdn')
    ? inbound(messageId, fields)
    : unrecognizedEvent(fallbackKey, 'neither a message nor a receipt', { providerMessageId: messageId });
}

function receipt(messageId: string, fields: SmsFields): ProviderEvent {
  const field = (name: string): string => fields.get(name) ?? '';
  const [status, code] = [field('status'), label(field('err-code'))];
  const errorCode = code === NO_ERROR ? '' : code;
  // Here the contact is `msisdn`, and `to` is the sender's name that the contact saw.
  const [to, from] = [field('msisdn'), field('to')];
  const known = {
    dedupKey: [messageId, label(status), code, label(field('scts'))].join(':'),
    providerMessageId: messageId,
    providerType: 'delivery-receipt',
    channel: 'sms' as const,
    direction: 'outbound' as const,
    providerStatus: label(status),
    errorCode,
    ...referenceOrCampaign(label(field('client-ref'))),
    signal: OPT_OUT_ERRORS.has(errorCode) ? ('opt_out' as const) : ('' as const),
    occurredAtMs: messageTime(field('message-timestamp')),
    person: to,
    ours: from,
    content: { from, to, text: '', subject: '', mediaUrls: [] },
  };
  const state = Object.hasOwn(STATES, status) ? STATES[status] : undefined;
  return state === undefined
    ? unrecognizedEvent(known.dedupKey, 'unknown status', known)
    : providerEvent({ ...known, type: `message.${state}`, status: state });
}

function inbound(messageId: string, fields: SmsFields): ProviderEvent {
  const field = (name: string): string => fields.get(name) ?? '';
  const [from, to, text] = [field('msisdn'), field('to'), field('text')];
  const total = field('concat') === 'true' ? Number.parseInt(field('concat-total'), 10) : 1;
  const isPart = total > 1;
  const part = label(field('concat-part'));
  const event = providerEvent({
    dedupKey: isPart ? `${messageId}:${part}` : messageId,
    type: 'message.received',
    providerMessageId: messageId,
    providerType: label(field('type')),
    channel: 'sms',
    direction: 'inbound',
    status: 'received',
    // A part of a longer text is no keyword, whatever it says.
    signal: isPart ? '' : (keywordSignal(text) ?? ''),
    occurredAtMs: messageTime(field('message-timestamp')),
    person: from,
    ours: to,
    content: { from, to, text, subject: '', mediaUrls: [] },
    note: isPart ? `part ${part} of ${total} of message ${label(field('concat-ref'))}` : '',
  });
  if (!isPart) return event;
  const place = placeOf(fields);
  return { ...event, isPart, ...(place !== undefined && { part: place }) };
}

const COUNT = /^\d{1,3}$/;

/** Which part of which text; undefined when that cannot be told: then it stays a text of its own. */
function placeOf(fields: SmsFields): MessagePart | undefined {
  const reference = label(fields.get('concat-ref'));
  const [number, total] = ['concat-part', 'concat-total'].map((name) => {
    const text = fields.get(name) ?? '';
    return COUNT.test(text) ? Number(text) : 0;
  }) as [number, number];
  const isPlace = total > 1 && total <= PARTS_MAX && number >= 1 && number <= total;
  return reference === '' || !isPlace ? undefined : { reference, number, total };
}

/** UTC, written in one of three ways. */
function messageTime(text: string): number | undefined {
  const [, day, time] = MESSAGE_TIMESTAMP.exec(text) ?? [];
  return day === undefined ? undefined : parseTimestamp(`${day}T${time}Z`, 'rfc3339');
}
