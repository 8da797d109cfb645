/** What says how a body is written, and nothing about who sent it, nor a secret. */
const HARMLESS = new Set(['accept', 'content-encoding', 'content-length', 'content-type', 'user-agent']);
const HEADERS_MAX = 64;
const TEXT_LENGTH_MAX = 200;
const UNPRINTABLE = /[^\x20-\x7e]/g;

/**
 * The headers of a request as they may be shown: every name, and the values of those that are harmless.
 * @param raw name and value alternate. @returns the same form, names in lower case.
 */
export function harmlessHeaders(raw: readonly string[]): string[] {
  const shown: string[] = [];
  for (let at = 0; at + 1 < raw.length && shown.length < 2 * HEADERS_MAX; at += 2) {
    const name = raw[at]!.toLowerCase();
    shown.push(textOf(name), HARMLESS.has(name) ? textOf(raw[at + 1]!) : '');
  }
  return shown;
}

const textOf = (text: string): string => text.slice(0, TEXT_LENGTH_MAX).replace(UNPRINTABLE, '');
