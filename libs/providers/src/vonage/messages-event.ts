import { textAt } from '../json-pointer.js';
import { referenceOrCampaign } from '../message-reference.js';
import { keywordSignal } from '../opt-out-keywords.js';
import { identifier, label, providerEvent, unrecognizedEvent } from '../provider.js';
import type { Channel, MessageState, ProviderEvent } from '../provider.js';
import { parseTimestamp } from '../timestamp.js';

/** Words of message statuses. Source: Vonage, "Messages API Status Callbacks", read 2026-11. */
const STATES: Readonly<Record<string, MessageState>> = {
  ...{ submitted: 'accepted', delivered: 'delivered', read: 'read' },
  ...{ rejected: 'failed', undeliverable: 'undelivered' },
};
const CHANNELS: Readonly<Record<string, Channel>> = {
  ...{ sms: 'sms', mms: 'sms', rcs: 'chat', whatsapp: 'chat', messenger: 'chat', viber_service: 'chat' },
};
/** "Illegal number": the contact sent STOP. Source: Vonage, Messages API errors, read 2026-11. */
const OPT_OUT_ERROR = '1240';

/** Where the text of each type of inbound message is. */
const TEXTS: Readonly<Record<string, string>> = {
  ...{ text: '/text', reply: '/reply/title', button: '/button/text', reaction: '/reaction/emoji' },
  ...{ image: '/image/caption', video: '/video/caption', file: '/file/caption', audio: '/audio/caption' },
  ...{ vcard: '/vcard/caption', sticker: '', location: '', contact: '', order: '/order/text' },
  unsupported: '',
};
/** What the business itself wrote into a button. */
const PAYLOADS = ['/reply/id', '/button/payload'];

/** The event of one webhook of the Messages API, version 1. @param fallbackKey for one without a message ID. */
export function messagesEvent(body: unknown, fallbackKey: string): ProviderEvent {
  const text = (at: string): string => textAt(body, at) ?? '';
  const messageId = identifier(text('/message_uuid'));
  const channel = text('/channel');
  const known = {
    providerMessageId: messageId ?? '',
    channel: Object.hasOwn(CHANNELS, channel) ? CHANNELS[channel]! : ('' as const),
    ...referenceOrCampaign(label(text('/client_ref'))),
    occurredAtMs: parseTimestamp(text('/timestamp'), 'rfc3339'),
    content: { from: text('/from'), to: text('/to'), text: '', subject: '', mediaUrls: [] },
  };
  if (messageId === undefined) return unrecognizedEvent(fallbackKey, 'no message_uuid');
  if (text('/status') !== '') return status(messageId, known, text);
  if (text('/message_type') !== '') return inbound(messageId, known, text);
  return unrecognizedEvent(fallbackKey, 'neither a message nor a status', known);
}

type Known = Partial<ProviderEvent> & Required<Pick<ProviderEvent, 'content'>>;
type Text = (at: string) => string;

function status(messageId: string, known: Known, text: Text): ProviderEvent {
  const status = text('/status');
  const errorCode = errorCodeIn(text);
  const dedupKey = [messageId, label(status), label(text('/timestamp'))].join(':');
  const ofStatus = {
    ...known,
    dedupKey,
    providerType: 'status',
    direction: 'outbound' as const,
    providerStatus: label(status),
    errorCode,
    signal: errorCode === OPT_OUT_ERROR ? ('opt_out' as const) : ('' as const),
    person: text('/to'),
    ours: text('/from'),
  };
  const state = Object.hasOwn(STATES, status) ? STATES[status] : undefined;
  return state === undefined
    ? unrecognizedEvent(dedupKey, 'unknown status', ofStatus)
    : providerEvent({ ...ofStatus, type: `message.${state}`, status: state });
}

/** The number at the end of the error's type, or its title; in older forms one level deeper. */
function errorCodeIn(text: Text): string {
  for (const at of ['/error', '/error/error']) {
    const code = /#(\d{1,16})$/.exec(text(`${at}/type`))?.[1] ?? label(text(`${at}/title`));
    if (code !== '') return code;
  }
  return '';
}

function inbound(messageId: string, known: Known, text: Text): ProviderEvent {
  const type = text('/message_type');
  const isKnown = Object.hasOwn(TEXTS, type);
  const body = isKnown && TEXTS[type] !== '' ? text(TEXTS[type]!) : '';
  const url = text(`/${type}/url`);
  const ofMessage = {
    ...known,
    dedupKey: messageId,
    providerType: label(type),
    direction: 'inbound' as const,
    replyTo: identifier(text('/context/message_uuid')) ?? '',
    signal: signalOf(type, body, text),
    person: text('/from'),
    ours: text('/to'),
    content: { ...known.content!, text: body, mediaUrls: isKnown && url !== '' ? [url] : [] },
  };
  return isKnown
    ? providerEvent({ ...ofMessage, type: 'message.received', status: 'received' })
    : unrecognizedEvent(messageId, 'unknown message_type', ofMessage);
}

function signalOf(type: string, body: string, text: Text): ProviderEvent['signal'] {
  if (type !== 'text' && type !== 'reply' && type !== 'button') return '';
  // Behind a button "No, thanks" there may be STOP; what else a business calls its buttons means nothing.
  const isOptOut = PAYLOADS.some((at) => keywordSignal(text(at)) === 'opt_out');
  return (isOptOut ? 'opt_out' : keywordSignal(body)) ?? '';
}
