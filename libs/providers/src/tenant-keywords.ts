import type { FieldError } from '@posthorn/errors/app-error.js';
import { mailSignal } from './mail.js';
import {
  foldKeyword,
  KEYWORD_TEXT_LENGTH_MAX,
  keywordMeaning,
  keywordSignal,
  type Signal,
} from './opt-out-keywords.js';
import type { ProviderEvent } from './provider.js';

/** Words of one meaning. */
export const TENANT_WORDS_MAX = 50;
/** Characters of a word in its folded form. */
export const TENANT_WORD_LENGTH_MAX = 40;

/** A tenant's own words by what they ask for, folded. */
export interface TenantKeywords {
  readonly optOut: readonly string[];
  readonly optIn: readonly string[];
  readonly help: readonly string[];
}

export const NO_KEYWORDS: TenantKeywords = { optOut: [], optIn: [], help: [] };
/** The stricter meaning later: it is the one that stays where a word stands in two lists. */
const MEANINGS = [
  ['optIn', 'opt_in'],
  ['help', 'help'],
  ['optOut', 'opt_out'],
] as const satisfies readonly (readonly [keyof TenantKeywords, Signal])[];
/** What no database and no person takes for text: control characters, halves of characters. */
const NO_TEXT = /[\p{Cc}\p{Cs}]/u;

/**
 * Reads a tenant's own words. They stand beside the usual ones and never change what one of those means.
 * @param given each list as it came; undefined = none.
 * @returns the words folded, and what is wrong: only without errors are they to be used.
 */
export function readTenantKeywords(
  given: Readonly<Partial<Record<keyof TenantKeywords, unknown>>>,
  path = 'keywords',
): { readonly keywords: TenantKeywords; readonly errors: readonly FieldError[] } {
  const errors: FieldError[] = [];
  const read = (name: keyof TenantKeywords, meaning: Signal): string[] =>
    readWords(given[name], meaning, `${path}.${name}`, errors);
  const keywords = {
    optOut: read('optOut', 'opt_out'),
    optIn: read('optIn', 'opt_in'),
    help: read('help', 'help'),
  };
  const all = Object.values(keywords).flat();
  if (new Set(all).size < all.length) errors.push({ path, message: 'has a word twice' });
  return { keywords, errors };
}

function readWords(list: unknown, meaning: Signal, path: string, errors: FieldError[]): string[] {
  if (list === undefined) return [];
  if (!Array.isArray(list) || list.length > TENANT_WORDS_MAX) {
    errors.push({ path, message: `must be a list of at most ${TENANT_WORDS_MAX}` });
    return [];
  }
  return list.map((word: unknown, index) => {
    const at = `${path}.${index}`;
    const isText = typeof word === 'string' && word.length <= KEYWORD_TEXT_LENGTH_MAX;
    const text = isText ? foldKeyword(word) : '';
    if (text === '' || text.length > TENANT_WORD_LENGTH_MAX || NO_TEXT.test(text))
      errors.push({ path: at, message: `must be a word of at most ${TENANT_WORD_LENGTH_MAX} characters` });
    // STOP must go on meaning STOP; and a word that has a meaning would never be asked for another.
    const usual = keywordSignal(text);
    if (usual !== undefined && usual !== meaning) errors.push({ path: at, message: MEANS[usual] });
    return text;
  });
}

const MEANS: Readonly<Record<Signal, string>> = {
  opt_out: 'is an opt-out',
  opt_in: 'is an opt-in',
  help: 'asks for help',
};

/** The words with their meaning, as they are looked up. */
export function keywordTable(keywords: TenantKeywords): ReadonlyMap<string, Signal> {
  return new Map(MEANINGS.flatMap(([name, signal]) => keywords[name].map((word) => [word, signal] as const)));
}

/** The words of both; one that means two things keeps the meaning after which less is sent. */
export function mergeKeywords(former: TenantKeywords, wanted: TenantKeywords): TenantKeywords {
  const table = [...keywordTable(former), ...keywordTable(wanted)];
  const strictest = new Map(
    MEANINGS.flatMap(([, meaning]) => table.filter(([, signal]) => signal === meaning)),
  );
  const wordsOf = (meaning: Signal): string[] =>
    [...strictest].flatMap(([word, signal]) => (signal === meaning ? [word] : []));
  return { optOut: wordsOf('opt_out'), optIn: wordsOf('opt_in'), help: wordsOf('help') };
}

/**
 * What an event asks for by one of the tenant's own words. Only a whole message that came in and has no signal
 * yet can: what a provider or a usual keyword says stands.
 */
export function tenantSignal(event: ProviderEvent, words: ReadonlyMap<string, Signal>): Signal | undefined {
  const { signal, type, direction, isPart, content, channel } = event;
  if (words.size === 0 || signal !== '' || type !== 'message.received' || direction === 'outbound')
    return undefined;
  if (isPart === true || content === undefined) return undefined;
  const signalOf = (text: string): Signal | undefined => keywordMeaning(words, text);
  return channel === 'email' ? mailSignal(content.subject, content.text, signalOf) : signalOf(content.text);
}
