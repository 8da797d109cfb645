import { textAt } from '../senders/provider-answer.js';
import { basic } from '../senders/send-call.js';
import type { MediaAdapter } from './media-adapter.js';

/** `https://mcs.us1.twilio.com/v1/Services/IS…/Media/ME…` */
const CONVERSATION_MEDIUM = /^\/v1\/Services\/IS[0-9a-f]{32}\/Media\/ME[0-9a-f]{32}$/i;

/**
 * Media of messages are where MediaUrl says, and are sent from elsewhere, by a redirect to a link that needs no
 * credentials; those of Conversations are described.
 * Source: Twilio, "Media subresource" and "Conversations Media Resource", read 2026-11.
 */
export const twilio: MediaAdapter = {
  provider: 'twilio',
  // The API of every region: api.twilio.com, api.dublin.ie1.twilio.com, mcs.us1.twilio.com.
  hosts: /^(api|mcs)(\.[a-z0-9-]+){0,2}\.twilio\.com$/,
  apiOrigin: 'https://api.twilio.com',
  isAuthorized: false,
  authorization({ accountSid, authToken }) {
    if (typeof accountSid !== 'string' || typeof authToken !== 'string') return undefined;
    return basic(accountSid, authToken);
  },
  describes: ({ pathname }) => CONVERSATION_MEDIUM.test(pathname),
  placeIn: (description) => textAt(description, 'links', 'content_direct_temporary') || undefined,
};
