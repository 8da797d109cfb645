import { createHash } from 'node:crypto';
import { foldKeyword, keywordSignal, type Signal } from './opt-out-keywords.js';
import { identifier } from './provider.js';

const ADDRESS_FIELD_LENGTH_MAX = 2000;
/** Keywords stand at the beginning; keeps the work per mail bounded. */
const SIGNAL_TEXT_LENGTH_MAX = 4000;
const HTML_LENGTH_MAX = 262_144;

/** The first bare address of a header such as `"Doe, Jane" <jane@example.com>`; empty when there is none. */
export function mailAddress(field: string): string {
  const bare = field
    .slice(0, ADDRESS_FIELD_LENGTH_MAX)
    .replace(/"(?:[^"\\]|\\.)*"/g, ' ')
    .replace(/\([^()]*\)/g, ' ');
  const [first = ''] = bare.split(',', 1);
  return addressIn(first) ?? addressIn(bare) ?? '';
}

const addressIn = (text: string): string | undefined =>
  /<([^<>\s@]+@[^<>\s@]+)>/.exec(text)?.[1] ?? /[^\s<>;:,@]+@[^\s<>;:,@]+/.exec(text)?.[0];

/** A Message-ID without its angle brackets; undefined when it cannot be one. */
export const mailId = (text: string | undefined): string | undefined =>
  identifier(text?.trim().replace(/^<(.*)>$/s, '$1'));

/** The value of the first header field of a name in a mail's header block, unfolded. @param name lower case. */
export function mailHeader(block: string, name: string): string | undefined {
  const [head = ''] = block.split(/\r?\n\r?\n/, 1);
  for (const line of head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon === name.length && line.slice(0, colon).toLowerCase() === name)
      return line.slice(colon + 1).trim();
  }
  return undefined;
}

/** Sameness of an inbound mail: its Message-ID and its envelope. */
export const mailKey = (id: string, from: string, to: readonly string[]): string =>
  `mail:${createHash('sha256')
    .update(JSON.stringify([id, from, ...to]))
    .digest('hex')}`;

/** Where what the sender wrote ends: quotes, signatures and what mail programs put before them, in some languages. */
const QUOTE_BEGINS = [
  /^>/m,
  /^-- ?$/m,
  /^-{2,}\s*(?:original|forwarded|ursprüngliche|message d'origine)/im,
  /^_{5,}/m,
  /^(?:on|le|am|el|il|em|op)\s[^\n]{0,300}(?:\n[^\n]{0,300})?(?:wrote|écrit|schrieb|escribió|scritto|escreveu|schreef)[^\n]{0,200}:\s*$/im,
];

/** What the sender of a mail wrote, without what is quoted below it. */
function unquoted(text: string): string {
  const ends = QUOTE_BEGINS.map((pattern) => text.search(pattern)).filter((at) => at !== -1);
  return text.slice(0, Math.min(text.length, ...ends)).trim();
}

/**
 * What a mail asks for. An opt-out also counts when it is a paragraph of its own at the beginning ("STOP", then
 * "Sent from my phone"), or the subject of a mail without a text, as an unsubscribe link by mail makes them; the
 * word "unsubscribe" counts as a subject with any text.
 * @param signalOf what one text is, when it is a keyword and nothing else.
 */
export function mailSignal(
  subject: string,
  text: string,
  signalOf: (text: string) => Signal | undefined = keywordSignal,
): Signal | undefined {
  const own = unquoted(text.slice(0, SIGNAL_TEXT_LENGTH_MAX).replaceAll('\r\n', '\n'));
  const whole = signalOf(own);
  if (whole !== undefined) return whole;
  const [paragraph = ''] = own.split(/\n\s*\n/, 1);
  if (signalOf(paragraph) === 'opt_out') return 'opt_out';
  const isOptOutSubject = signalOf(subject) === 'opt_out';
  return isOptOutSubject && (own === '' || foldKeyword(subject).startsWith('unsub')) ? 'opt_out' : undefined;
}

const TAGS = /(<[^<>]*>)/;
const TAG_NAME = /^<(\/?)([a-z][a-z0-9]*)/i;
const HIDDEN = new Set(['style', 'script', 'title']);
const BLOCKS = new Set([
  'br',
  'p',
  'div',
  'tr',
  'li',
  'ul',
  'ol',
  'table',
  'blockquote',
  'hr',
  'h1',
  'h2',
  'h3',
]);
const ENTITIES: Readonly<Record<string, string>> = {
  ...{ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' },
};

/** The text of an HTML mail that has no other: block elements become lines, the rest of the markup goes. */
export function htmlText(html: string): string {
  let [text, hidden]: [string, string | undefined] = ['', undefined];
  for (const token of html.slice(0, HTML_LENGTH_MAX).split(TAGS)) {
    const tag = TAG_NAME.exec(token);
    const name = tag?.[2]?.toLowerCase() ?? '';
    if (hidden !== undefined) {
      if (tag?.[1] === '/' && name === hidden) hidden = undefined;
    } else if (!token.startsWith('<') || !token.endsWith('>')) text += token.replace(/\s+/g, ' ');
    else if (HIDDEN.has(name)) hidden = name;
    else if (BLOCKS.has(name)) text += '\n';
  }
  const plain = text
    .replace(/&(amp|lt|gt|quot|apos|nbsp);/g, (_, name: string) => ENTITIES[name]!)
    .replace(/&#(\d{1,7});/g, (entity, code: string) => codePoint(Number(code)) ?? entity);
  const lines = plain.split('\n').map((line) => line.trim());
  return lines
    .filter((line, index) => line !== '' || lines[index - 1] !== '')
    .join('\n')
    .trim();
}

const codePoint = (code: number): string | undefined =>
  code > 0x1f && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
