import { z } from 'zod';

/** How a secret's text becomes the key. */
export const secretEncodingSetting = z
  .enum(['utf8', 'base64', 'hex'])
  .default('utf8')
  .describe('How the secret is written');

const WELL_FORMED = { utf8: /^/, base64: /^[A-Za-z0-9+/]+={0,2}$/, hex: /^(?:[0-9a-f]{2})+$/i };

/**
 * The key a text stands for, or undefined when it stands for none.
 * Why strict: Node stops at the first foreign character, and a key of one byte would verify anything soon.
 */
export function encodedSecret(
  value: string,
  encoding: z.output<typeof secretEncodingSetting>,
): Buffer | undefined {
  const key = Buffer.from(WELL_FORMED[encoding].test(value) ? value : '', encoding);
  return key.length === 0 ? undefined : key;
}
