/**
 * What a body has to say: a mail program posts it for its user, and the form of our page does the same.
 * Source: RFC 8058, section 3.1, read 2026-11.
 */
export const ONE_CLICK = { name: 'List-Unsubscribe', value: 'One-Click' } as const;

/** Bytes of such a body; what mail programs send has some two hundred, a form of multipart included. */
export const ONE_CLICK_BYTES_MAX = 4_096;

const MULTIPART = /^multipart\/form-data\s*(?:;|$)/i;
const PART = new RegExp(
  `content-disposition:[^\\r\\n]*;\\s*name="?${ONE_CLICK.name}"?\\s*(?:;[^\\r\\n]*)?\\r\\n(?:[^\\r\\n]+\\r\\n)*\\r\\n${ONE_CLICK.value}\\r\\n--`,
  'i',
);

/**
 * Whether a body asks to unsubscribe, in either of the forms that the RFC allows.
 * @param contentType empty when there is none; then it is read as a plain form. @param body ONE_CLICK_BYTES_MAX at most.
 */
export function isOneClick(contentType: string, body: Buffer): boolean {
  const text = body.toString('latin1');
  if (MULTIPART.test(contentType)) return PART.test(text);
  return new URLSearchParams(text.trim()).get(ONE_CLICK.name) === ONE_CLICK.value;
}
