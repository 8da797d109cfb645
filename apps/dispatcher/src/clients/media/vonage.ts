import { bearer } from '../senders/send-call.js';
import { signToken } from '../senders/signed-token.js';
import type { MediaAdapter } from './media-adapter.js';

const TOKEN_LIFE_SECONDS = 300;

/** For 48 hours; with "secure inbound media" by an application's token only. Source: Vonage, "Secure Inbound Media", read 2026-11. */
export const vonage: MediaAdapter = {
  provider: 'vonage',
  // api.nexmo.com, api-us.nexmo.com, api-eu-3.vonage.com.
  hosts: /^api(-[a-z0-9]+){0,2}\.(nexmo|vonage)\.com$/,
  apiOrigin: 'https://api.nexmo.com',
  isAuthorized: false,
  authorization({ applicationId, privateKey }, nowMs) {
    if (typeof applicationId !== 'string' || typeof privateKey !== 'string') return undefined;
    return bearer(signToken({ application_id: applicationId }, privateKey, nowMs, TOKEN_LIFE_SECONDS));
  },
};
