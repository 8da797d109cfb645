import { hmacProvider } from './hmac/hmac.js';
import type { Provider } from './provider.js';
import { standardWebhooks } from './standard-webhooks/standard-webhooks.js';
import { twilio } from './twilio/twilio.js';

/** Every provider; the order is the display order. */
export const PROVIDERS: ReadonlyMap<string, Provider> = new Map(
  [twilio, standardWebhooks, hmacProvider].map((provider) => [provider.id, provider as Provider]),
);
