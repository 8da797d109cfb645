import { FieldErrors, invalidField } from './field-errors.js';

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
  if (text.length > CREDENTIALS_LENGTH_MAX)
    throw invalidField('credentials', `at most ${CREDENTIALS_LENGTH_MAX} characters`);
  const credentials = parseObject(text);
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

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidField('credentials', 'expected a JSON object');
  return value as Record<string, unknown>;
}
