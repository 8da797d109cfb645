import { AppError } from '@posthorn/errors/app-error.js';

/** What a log line says about an error. */
export interface LoggedError {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: LoggedError;
}

const CAUSES_MAX = 4;
const MESSAGE_LENGTH_MAX = 500;
const STACK_LENGTH_MAX = 8_000;
/** Words that a library may quote without giving anything away: names of tables, columns, settings, codes. */
const IDENTIFIER = /^[A-Za-z_][A-Za-z_.:/-]{0,62}$/;
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1…@'], // credentials in a URL
  [/([?&][\w.-]+=)[^\s&#"']+/g, '$1…'], // query parameters
  [/\b(bearer|basic)\s+\S+/gi, '$1 …'],
  [/[^\s@"'<>()]+@[^\s@"'<>()]+\.[^\s@"'<>()]+/g, '…@…'], // e-mail addresses
  [/\b(whsec_|phk_)[A-Za-z0-9+/=_-]{8,}/g, '$1…'],
  [/\beyJ[\w-]+\.[\w.-]+/g, '…'], // JSON web tokens
  [/(?=[A-Za-z+/=_-]*\d)[A-Za-z0-9+/=_-]{32,}/g, '…'], // tokens, hashes, ciphertexts
  [/\+?\d(?:[\s().-]?\d){6,}/g, '…'], // telephone numbers
];

/**
 * An error as a log line may show it: all stack frames, but a message without quoted values, addresses,
 * numbers of people, or tokens. Messages of libraries quote what they failed on: JSON.parse the body,
 * Postgres the value.
 * @param depth how many causes were unwrapped before.
 */
export function errorText(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { name: 'NotAnError', message: scrub(String(error)) };
  const code: unknown = (error as { code?: unknown }).code;
  const cause: unknown = error.cause;
  return {
    name: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code: scrub(String(code)) } : {}),
    message: scrub(error.message),
    ...(error instanceof AppError ? {} : { stack: framesOf(error) }),
    ...(cause === undefined || depth >= CAUSES_MAX ? {} : { cause: errorText(cause, depth + 1) }),
  };
}

/** The frames alone: the head of a stack repeats the message. */
function framesOf(error: Error): string {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n')
    .slice(0, STACK_LENGTH_MAX);
}

/** A text without what may be a value: see errorText. */
export function scrub(text: string): string {
  let clean = withoutQuotes(text.slice(0, MESSAGE_LENGTH_MAX));
  for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
  return clean;
}

/** Quoted identifiers stay; once one quoted piece is a value, everything from the first quote to the last goes. */
function withoutQuotes(text: string): string {
  const pieces = text.split(/["'`]/);
  const isHarmless =
    pieces.length % 2 === 1 && pieces.every((piece, at) => at % 2 === 0 || IDENTIFIER.test(piece));
  return isHarmless ? text : text.replace(/["'`].*["'`]|["'`].*$/s, '"…"');
}
