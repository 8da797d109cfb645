import { keywordSignal } from '../opt-out-keywords.js';
import { identifier, label, providerEvent, unrecognizedEvent, type ProviderEvent } from '../provider.js';
import { parseTimestamp } from '../timestamp.js';
import { channelOf, errorSignal, stateOf } from './message-words.js';

/** A field of an event by Twilio's name; empty when it is missing. */
export type Field = (name: string) => string;

const MESSAGE_ADDED = 'onMessageAdded';
const DELIVERY_UPDATED = 'onDeliveryUpdated';
/** What is only asked about so far (`onMessageAdd`): the answer decides whether it happens. */
const PRE_ACTION = /^on[A-Z]\w*(?:Add|Update|Remove)$/;
/** An address of a phone or a channel. Whoever writes in a chat of ours has a name instead. */
const ADDRESS = /^(?:\+\d{5,}|(?:sms|whatsapp|messenger|rcs|viber):\+?\w{5,})$/i;
const MEDIA_MAX = 10;

/** Whether a webhook's `EventType` is one of Conversations. */
export const isConversationEvent = (eventType: string): boolean => /^on[A-Z]\w{0,62}$/.test(eventType);

/** Sameness of a webhook: what happened to what, and when; undefined when it names nothing. */
export function conversationKey(eventType: string, field: Field): string | undefined {
  const subject = ['DeliveryReceiptSid', 'MessageSid', 'ParticipantSid', 'ConversationSid', 'UserSid']
    .map((name) => identifier(field(name)))
    .find((sid) => sid !== undefined);
  if (subject === undefined || PRE_ACTION.test(eventType)) return undefined;
  const at = field('DateRemoved') || field('DateUpdated') || field('StateUpdated') || field('DateCreated');
  return [eventType, subject, label(field('Status')), label(at)].join(':');
}

/**
 * What happened in a conversation. Source: Twilio, "Conversations Webhooks", read 2026-11.
 * @param media the attachments' list, parsed. @param known at least the sameness.
 */
export function conversationEvent(
  eventType: string,
  field: Field,
  media: unknown,
  known: Pick<ProviderEvent, 'dedupKey'> & Partial<ProviderEvent>,
): ProviderEvent {
  const messageSid = identifier(field('MessageSid'));
  if (eventType === MESSAGE_ADDED && messageSid !== undefined)
    return messageAdded(messageSid, field, media, known);
  if (eventType === DELIVERY_UPDATED) return deliveryUpdated(field, known);
  const note = PRE_ACTION.test(eventType) ? 'a question before the action' : 'no message event';
  return unrecognizedEvent(known.dedupKey, note, known);
}

function messageAdded(
  messageSid: string,
  field: Field,
  media: unknown,
  known: Pick<ProviderEvent, 'dedupKey'> & Partial<ProviderEvent>,
): ProviderEvent {
  const [author, text] = [field('Author'), field('Body') || field('MessageBody')];
  const ofMessage = {
    ...known,
    providerMessageId: messageSid,
    occurredAtMs: parseTimestamp(field('DateCreated'), 'rfc3339'),
    ours: field('ConversationSid'),
    content: { from: author, to: '', text, subject: '', mediaUrls: mediaUrls(field, media) },
  };
  // An API or a chat user may be either side; only the address of a phone or a channel is a contact's.
  if (!ADDRESS.test(author) || field('Source').toUpperCase() === 'API')
    return unrecognizedEvent(known.dedupKey, 'a message of our side or of a chat user', ofMessage);
  return providerEvent({
    ...ofMessage,
    type: 'message.received',
    channel: channelOf(author, `${field('Source')}:`),
    direction: 'inbound',
    status: 'received',
    signal: keywordSignal(text) ?? '',
    person: author,
  });
}

/** One participant's copy of a message has a state; its ID is the one that Programmable Messaging uses too. */
function deliveryUpdated(
  field: Field,
  known: Pick<ProviderEvent, 'dedupKey'> & Partial<ProviderEvent>,
): ProviderEvent {
  const status = field('Status').toLowerCase();
  const code = label(field('ErrorCode'));
  const errorCode = code === '0' ? '' : code;
  const messageId = identifier(field('ChannelMessageSid')) ?? identifier(field('DeliveryReceiptSid'));
  const ofReceipt = {
    ...known,
    providerMessageId: messageId ?? '',
    direction: 'outbound' as const,
    providerStatus: label(status),
    errorCode,
    signal: errorSignal(errorCode),
    occurredAtMs: parseTimestamp(field('DateUpdated') || field('DateCreated'), 'rfc3339'),
  };
  const state = stateOf(status);
  if (messageId === undefined) return unrecognizedEvent(known.dedupKey, 'no ChannelMessageSid', ofReceipt);
  if (state === undefined) return unrecognizedEvent(known.dedupKey, 'unknown Status', ofReceipt);
  return providerEvent({ ...ofReceipt, type: `message.${state}`, status: state });
}

/** Where the attachments are described; an event that names no service tells no place. */
function mediaUrls(field: Field, media: unknown): readonly string[] {
  const service = field('ChatServiceSid');
  if (!Array.isArray(media) || !/^IS[0-9a-f]{32}$/i.test(service)) return [];
  return media
    .slice(0, MEDIA_MAX)
    .map((medium: unknown) => (medium as { Sid?: unknown } | null)?.Sid)
    .filter((sid): sid is string => typeof sid === 'string' && /^ME[0-9a-f]{32}$/i.test(sid))
    .map((sid) => `https://mcs.us1.twilio.com/v1/Services/${service}/Media/${sid}`);
}
