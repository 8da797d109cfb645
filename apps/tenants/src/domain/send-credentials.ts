import { FieldErrors, parseObject } from './field-errors.js';

/** A service account of Google with its private key is about 2,500 characters. */
const CREDENTIALS_LENGTH_MAX = 16_384;

/** Which fields each provider's send API needs: all of one row. Others take what their adapter takes. */
const NEEDED: Readonly<Record<string, readonly (readonly string[])[]>> = {
  twilio: [['accountSid', 'authToken']],
  vonage: [
    ['apiKey', 'apiSecret'],
    ['applicationId', 'privateKey'],
  ],
  telnyx: [['accessToken']],
  whatsapp: [['accessToken']],
  sendgrid: [['accessToken']],
  fcm: [['project_id', 'client_email', 'private_key', 'token_uri']],
};

/**
 * Checks what a provider's send API is to be called with.
 * @param text one JSON object. @returns it without blanks.
 * @throws AppError `request.invalid` that names each missing field as `credentials.<field>`, never a value.
 */
export function checkSendCredentials(provider: string, text: string): string {
  const credentials = parseObject('credentials', text, CREDENTIALS_LENGTH_MAX);
  const isGiven = (name: string): boolean => {
    const value = credentials[name];
    return typeof value === 'string' && value !== '';
  };
  const rows = NEEDED[provider] ?? [[]];
  if (!rows.some((row) => row.every(isGiven))) {
    const nearest = rows.find((row) => row.some(isGiven)) ?? rows[0]!;
    const errors = new FieldErrors();
    for (const name of nearest)
      errors.require(isGiven(name), `credentials.${name}`, `${provider} needs it to send`);
    errors.throwIfAny();
  }
  return JSON.stringify(credentials);
}
