import { hmacProvider } from './hmac/hmac.js';
import { mailgun } from './mailgun/mailgun.js';
import type { Provider } from './provider.js';
import { sendgrid } from './sendgrid/sendgrid.js';
import { standardWebhooks } from './standard-webhooks/standard-webhooks.js';
import { telnyx } from './telnyx/telnyx.js';
import { twilio } from './twilio/twilio.js';

/** Every provider; the order is the display order. */
export const PROVIDERS: ReadonlyMap<string, Provider> = new Map(
  [twilio, telnyx, sendgrid, mailgun, standardWebhooks, hmacProvider].map((provider) => [
    provider.id,
    provider as Provider,
  ]),
);
