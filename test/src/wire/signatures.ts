// The schemes the senders and receivers of the tests speak, written from the vendors' descriptions.
import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * `X-Twilio-Signature` of a form: HMAC-SHA1 over the URL, then every field sorted by name, name and value.
 * Source: Twilio, "Validating signatures from Twilio", read 2026-11.
 */
export function twilioSignature(
  authToken: string,
  url: string,
  fields: Readonly<Record<string, string>>,
): string {
  let signed = url;
  for (const name of Object.keys(fields).sort()) signed += name + fields[name]!;
  return createHmac('sha1', authToken).update(signed).digest('base64');
}

/** The bytes inside a `whsec_…` secret. */
export const webhookKey = (secret: string): Buffer => Buffer.from(secret.replace(/^whsec_/, ''), 'base64');

/**
 * One `v1,…` signature: HMAC-SHA256 over `id.timestamp.body`.
 * Source: Standard Webhooks specification, "Signature scheme", read 2026-11.
 */
export function webhookSignature(
  key: Buffer,
  id: string,
  timestampSeconds: number | string,
  body: Buffer,
): string {
  const mac = createHmac('sha256', key).update(`${id}.${timestampSeconds}.`).update(body);
  return `v1,${mac.digest('base64')}`;
}

/** Whether one of the signatures in the header was made with one of the keys. */
export function isWebhookSigned(
  keys: readonly Buffer[],
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Buffer,
): boolean {
  const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    (name) => headers[name],
  );
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signature !== 'string') return false;
  const given = signature.split(' ');
  return keys.some((key) => {
    const expected = Buffer.from(webhookSignature(key, id, timestamp, body));
    return given.some(
      (each) => each.length === expected.length && timingSafeEqual(Buffer.from(each), expected),
    );
  });
}
