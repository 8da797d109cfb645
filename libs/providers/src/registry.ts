import { clientCertificate } from './client-certificate/client-certificate.js';
import { fcm } from './fcm/fcm.js';
import { github } from './github/github.js';
import { hmacProvider } from './hmac/hmac.js';
import { jwt } from './jwt/jwt.js';
import { mailgun } from './mailgun/mailgun.js';
import type { Provider } from './provider.js';
import { sendgrid } from './sendgrid/sendgrid.js';
import { standardWebhooks } from './standard-webhooks/standard-webhooks.js';
import { stripe } from './stripe/stripe.js';
import { svix } from './svix/svix.js';
import { telnyx } from './telnyx/telnyx.js';
import { token } from './token/token.js';
import { twilio } from './twilio/twilio.js';
import { vonage } from './vonage/vonage.js';
import { whatsapp } from './whatsapp/whatsapp.js';

const LIST = [
  ...[twilio, vonage, telnyx, whatsapp, sendgrid, mailgun, fcm],
  ...[standardWebhooks, svix, stripe, github],
  ...[hmacProvider, jwt, token, clientCertificate],
];

/** Every provider; the order is the display order: messaging, schemes with a name, schemes with settings. */
export const PROVIDERS: ReadonlyMap<string, Provider> = new Map(
  LIST.map((provider) => [provider.id, provider as Provider]),
);
