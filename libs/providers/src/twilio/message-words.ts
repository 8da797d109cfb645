import type { Channel, MessageState } from '../provider.js';

/** Twilio's words for message states. Source: Twilio API, Message resource, "status", read 2026-11. */
const STATES: Readonly<Record<string, MessageState>> = {
  ...{
    accepted: 'accepted',
    scheduled: 'scheduled',
    queued: 'queued',
    sending: 'sending',
    sent: 'sent',
    read: 'read',
  },
  ...{ delivered: 'delivered', undelivered: 'undelivered', failed: 'failed', canceled: 'canceled' },
  // Some recipients have it and some do not: no single state is true of the message.
  partially_delivered: 'unknown',
};
/** Errors that mean the contact has opted out at Twilio or at the channel. */
const OPT_OUT_ERRORS = new Set(['21610', '63014']);
const CHAT_ADDRESS = /^(?:whatsapp|messenger|rcs):/i;

/** The neutral state, or undefined for a word that is not known. */
export const stateOf = (status: string): MessageState | undefined =>
  Object.hasOwn(STATES, status) ? STATES[status] : undefined;

/** What an error code says about consent. */
export const errorSignal = (errorCode: string): 'opt_out' | '' =>
  OPT_OUT_ERRORS.has(errorCode) ? 'opt_out' : '';

/** The channel that one of the addresses names by its prefix; numbers have none. */
export const channelOf = (...addresses: readonly string[]): Channel =>
  addresses.some((address) => CHAT_ADDRESS.test(address)) ? 'chat' : 'sms';
