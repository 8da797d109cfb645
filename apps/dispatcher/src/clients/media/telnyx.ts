import { bearer } from '../senders/send-call.js';
import type { MediaAdapter } from './media-adapter.js';

/** Links are signed, and at storage that takes no second authorization. Source: Telnyx, "Receiving webhooks", read 2026-11. */
export const telnyx: MediaAdapter = {
  provider: 'telnyx',
  hosts: /^api\.telnyx\.com$/,
  apiOrigin: 'https://api.telnyx.com',
  isAuthorized: false,
  authorization: ({ accessToken }) => (typeof accessToken === 'string' ? bearer(accessToken) : undefined),
};
