import { fcm } from './fcm.js';
import { generic } from './generic.js';
import { neverThrowing } from './never-throwing.js';
import type { SendAdapter } from './send-adapter.js';
import { sendgrid } from './sendgrid.js';
import { telnyx } from './telnyx.js';
import { twilio } from './twilio.js';
import { vonage } from './vonage/vonage.js';
import { whatsapp } from './whatsapp.js';

/** The general schemes of intake: their sources send to an endpoint of their own. */
const GENERAL_SCHEMES = ['hmac', 'jwt', 'token', 'client-certificate', 'standard-webhooks', 'svix'];

/** By the provider of a source. */
export const SENDERS: ReadonlyMap<string, SendAdapter> = new Map(
  [
    ...[twilio, vonage, telnyx, whatsapp, sendgrid, fcm, generic],
    ...GENERAL_SCHEMES.map((provider) => ({ ...generic, provider })),
  ].map((adapter) => [adapter.provider, neverThrowing(adapter)]),
);

/** The adapter that sends for sources of a provider; undefined: nothing can be sent through them. */
export const senderOf = (provider: string): SendAdapter | undefined => SENDERS.get(provider);
