import { eventBatch, itemKey } from '../event-batch.js';
import { atPointer, textAt } from '../json-pointer.js';
import { keywordSignal } from '../opt-out-keywords.js';
import { identifier, label, providerEvent, unrecognizedEvent, type ProviderEvent } from '../provider.js';
import { parseTimestamp } from '../timestamp.js';
import { conversationEvent } from './conversations.js';
import { channelOf, errorSignal, stateOf } from './message-words.js';

const INBOUND = 'com.twilio.messaging.inbound-message.received';
const STATUS = /^com\.twilio\.messaging\.message\.([a-z-]{1,32})$/;
/** The same things under their names as webhooks. */
const CONVERSATION_EVENTS: Readonly<Record<string, string>> = {
  'com.twilio.conversations.message.added': 'onMessageAdded',
  'com.twilio.conversations.delivery.updated': 'onDeliveryUpdated',
};

/** Whether a body is of Event Streams: a list, or one CloudEvent. */
export const isEventStream = (body: unknown): boolean =>
  Array.isArray(body) || textAt(body, '/specversion') !== undefined;

/**
 * The events of one request of Event Streams. Source: Twilio, "Event Types", read 2026-11.
 * @param accountSid events of other accounts are kept without content. @param raw names what has no ID.
 */
export function eventStream(
  body: unknown,
  accountSid: string | undefined,
  raw: Buffer,
  bodyKey: string,
): readonly ProviderEvent[] {
  const items: readonly unknown[] = Array.isArray(body) ? body : [body];
  if (items.length === 0) return [unrecognizedEvent(bodyKey, 'an empty list')];
  return eventBatch(
    items.map((item, index) => cloudEvent(item, accountSid, `${bodyKey}:${index}`)),
    raw,
  );
}

function cloudEvent(item: unknown, accountSid: string | undefined, place: string): ProviderEvent {
  const data = (name: string): string => textAt(item, `/data/${name}`) ?? '';
  const id = identifier(textAt(item, '/id'));
  const type = textAt(item, '/type') ?? '';
  const known = {
    dedupKey: id === undefined ? itemKey(item, place) : `id:${id}`,
    providerEventId: id ?? '',
    providerType: label(type),
    occurredAtMs: parseTimestamp(data('timestamp') || (textAt(item, '/time') ?? ''), 'rfc3339'),
  };
  const account = data('accountSid') || data('AccountSid');
  if (accountSid !== undefined && account !== '' && account !== accountSid)
    return unrecognizedEvent(known.dedupKey, 'of another account', known);
  if (type === INBOUND) return inbound(data, known);
  const word = STATUS.exec(type)?.[1];
  if (word !== undefined) return status(word, data, textAt(item, '/data/tags/campaign'), known);
  if (Object.hasOwn(CONVERSATION_EVENTS, type))
    return conversationEvent(CONVERSATION_EVENTS[type]!, data, atPointer(item, '/data/Media'), known);
  return unrecognizedEvent(known.dedupKey, 'no message event', known);
}

type Known = Pick<ProviderEvent, 'dedupKey'> & Partial<ProviderEvent>;

function inbound(data: (name: string) => string, known: Known): ProviderEvent {
  const [from, to, text] = [data('from'), data('to'), data('body')];
  const messageSid = identifier(data('messageSid'));
  const ofMessage = {
    ...known,
    providerMessageId: messageSid ?? '',
    channel: channelOf(from, to),
    direction: 'inbound' as const,
    signal: keywordSignal(text) ?? ('' as const),
    person: from,
    ours: to,
    content: { from, to, text, subject: '', mediaUrls: [] },
  };
  return messageSid === undefined
    ? unrecognizedEvent(known.dedupKey, 'no messageSid', ofMessage)
    : providerEvent({ ...ofMessage, type: 'message.received', status: 'received' });
}

/** @param word the last of the event's type, which says the same as `messageStatus`. */
function status(
  word: string,
  data: (name: string) => string,
  campaign: string | undefined,
  known: Known,
): ProviderEvent {
  const [from, to] = [data('from'), data('to')];
  const providerStatus = label(data('messageStatus').toLowerCase() || word);
  const code = label(data('errorCode'));
  const errorCode = code === '0' ? '' : code;
  const messageSid = identifier(data('messageSid'));
  const state = stateOf(providerStatus);
  const ofMessage = {
    ...known,
    providerMessageId: messageSid ?? '',
    channel: channelOf(from, to),
    direction: 'outbound' as const,
    providerStatus,
    errorCode,
    campaign: label(campaign),
    signal: errorSignal(errorCode),
    person: to,
    ours: from || data('messagingServiceSid'),
    content: { from, to, text: '', subject: '', mediaUrls: [] },
  };
  if (messageSid === undefined) return unrecognizedEvent(known.dedupKey, 'no messageSid', ofMessage);
  if (state === undefined) return unrecognizedEvent(known.dedupKey, 'unknown messageStatus', ofMessage);
  return providerEvent({ ...ofMessage, type: `message.${state}`, status: state });
}
