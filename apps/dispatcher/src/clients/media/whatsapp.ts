import { textAt } from '../senders/provider-answer.js';
import { bearer } from '../senders/send-call.js';
import type { MediaAdapter } from './media-adapter.js';

/** `/<media ID>`, with the version of the API or without. */
const MEDIUM = /^(\/v\d+\.\d+)?\/\w{1,128}$/;

/**
 * A media ID is asked for its place, which is good for five minutes and wants the token too.
 * Source: Meta, "Media" of the Cloud API, read 2026-11.
 */
export const whatsapp: MediaAdapter = {
  provider: 'whatsapp',
  hosts: /^(graph\.facebook\.com|lookaside\.fbsbx\.com)$/,
  apiOrigin: 'https://graph.facebook.com',
  isAuthorized: true,
  authorization: ({ accessToken }) => (typeof accessToken === 'string' ? bearer(accessToken) : undefined),
  describes: ({ hostname, pathname }) => hostname === 'graph.facebook.com' && MEDIUM.test(pathname),
  placeIn: (description) => textAt(description, 'url') || undefined,
};
