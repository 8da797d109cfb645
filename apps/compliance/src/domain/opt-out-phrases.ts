import { OPT_OUT_PHRASES, type PhraseLanguage } from './opt-out-phrase-table.js';

/**
 * How sure a phrase is: `high` says it in so many words; `low` is what somebody says who wants to be left alone, but
 * who may mean something else.
 */
export type PhraseConfidence = 'high' | 'low';

export interface PhraseResult {
  readonly isOptOut: boolean;
  /** The words that said so, as they were read; empty when none did. */
  readonly phrase: string;
  /** Of no meaning when there is no opt-out. */
  readonly confidence: PhraseConfidence;
}

const NOTHING: PhraseResult = { isOptOut: false, phrase: '', confidence: 'low' };

/** Who wants out says so at the beginning; what follows may be a quoted mail with its unsubscribe link. */
export const TEXT_MAX = 1_000;
/** How many words before a phrase can turn it round ("do not ever stop texting me"). */
const GUARD_WORDS = 4;
/** As many words a `*` stands for. */
const GAP_WORDS = 2;

/** A pattern, cut into words; each word is a set of alternatives, `undefined` a gap. */
interface Pattern {
  readonly words: readonly (ReadonlySet<string> | undefined)[];
  readonly language: PhraseLanguage;
  readonly confidence: PhraseConfidence;
}

/** First word → patterns that begin with it, so that each word of a text meets few of them. */
const PATTERNS: ReadonlyMap<string, readonly Pattern[]> = compile();

function compile(): ReadonlyMap<string, readonly Pattern[]> {
  const patterns = new Map<string, Pattern[]>();
  for (const language of OPT_OUT_PHRASES) {
    for (const confidence of ['high', 'low'] as const) {
      for (const text of language[confidence]) {
        const words = text.split(' ').map((word) => (word === '*' ? undefined : new Set(word.split('/'))));
        for (const first of words[0]!) {
          patterns.set(first, [...(patterns.get(first) ?? []), { words, language, confidence }]);
        }
      }
    }
  }
  return patterns;
}

/** Not before "dass": "ich will nicht, dass …" is one thought. */
const CLAUSE_END = /(?:[.!?;:\n…。！？，、()]|,(?! dass ))+/u;

/**
 * Whether a text asks, in words of its own, not to be written to again. The exact keywords are another tier.
 * Linear in the length of the text; never throws. What it finds holds until somebody has judged it.
 * Source: 47 CFR 64.1200(a)(10): a reasonable person's understanding counts, not the wording.
 */
export function detectOptOutPhrase(text: string): PhraseResult {
  const folded = fold(unquoted(text));
  let found = NOTHING;
  for (const clause of folded.split(CLAUSE_END)) {
    const result = readClause(clause.split(/[^\p{L}\p{N}]+/u).filter(Boolean));
    if (result.confidence === 'high' && result.isOptOut) return result;
    if (result.isOptOut && !found.isOptOut) found = result;
  }
  const request = readRequest(folded);
  if (request !== undefined) return request;
  return found.isOptOut ? found : readUnspaced(folded);
}

/** Without the lines that a mail quotes. */
function unquoted(text: string): string {
  return text
    .slice(0, TEXT_MAX)
    .split('\n')
    .filter((line) => !line.startsWith('>'))
    .join('\n');
}

/** Lower case, without accents and apostrophes: "Arrêtez de m'écrire" → "arretez de m ecrire", "don’t" → "dont". */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\p{Mn}\p{Cf}]/gu, '')
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/ł/g, 'l')
    .replace(/n['’‘`´]t\b/gu, 'nt')
    .replace(/['’‘`´]/gu, ' ');
}

function readClause(words: readonly string[]): PhraseResult {
  let found = NOTHING;
  for (let start = 0; start < words.length; start += 1) {
    for (const pattern of PATTERNS.get(words[start]!) ?? []) {
      const end = matchEnd(pattern, 0, words, start);
      if (end === undefined || isTurned(pattern, words, start)) continue;
      const phrase = words.slice(start, end).join(' ');
      if (pattern.confidence === 'high') return { isOptOut: true, phrase, confidence: 'high' };
      found = { isOptOut: true, phrase, confidence: 'low' };
    }
  }
  return found;
}

/** Where a pattern that begins at a word ends; undefined when it is not there. Bounded by the pattern's gaps. */
function matchEnd(pattern: Pattern, index: number, words: readonly string[], at: number): number | undefined {
  if (index === pattern.words.length) return at;
  const wanted = pattern.words[index];
  if (wanted !== undefined) {
    const isThere = at < words.length && wanted.has(words[at]!);
    return isThere ? matchEnd(pattern, index + 1, words, at + 1) : undefined;
  }
  for (let gap = 0; gap <= GAP_WORDS; gap += 1) {
    const end = matchEnd(pattern, index + 1, words, at + gap);
    if (end !== undefined) return end;
    if (at + gap < words.length && pattern.language.keeps.has(words[at + gap]!)) return undefined;
  }
  return undefined;
}

/** Whether what stands before a phrase makes it a report or gives it the opposite meaning. */
function isTurned({ language }: Pattern, words: readonly string[], start: number): boolean {
  const before = words.slice(Math.max(0, start - GUARD_WORDS), start);
  const has = (set: ReadonlySet<string>): boolean => before.some((word) => set.has(word));
  if (has(language.demands)) return false;
  if (has(language.reports)) return true;
  const isNegated = has(language.negations) && !has(language.reproaches);
  const isConditional = has(language.conditions) && !has(language.softeners);
  // "If you don't stop texting me": both, so neither.
  return isNegated !== isConditional;
}

/** Politeness around a keyword: "STOP please", "ok stop it now", "please unsubscribe me thanks". */
const FILLERS = new Set([
  ...['please', 'pls', 'plz', 'it', 'now', 'this', 'that', 'just', 'ok', 'okay', 'thanks', 'thank', 'you'],
  ...[
    'hey',
    'hi',
    'hello',
    'omg',
    'i',
    'said',
    'already',
    'me',
    'here',
    'again',
    'today',
    'immediately',
    'ty',
  ],
  ...[
    'por',
    'favor',
    'porfavor',
    'ya',
    'gracias',
    'obrigado',
    'obrigada',
    'grazie',
    'per',
    'favore',
    'merci',
  ],
  ...[
    's',
    'il',
    'vous',
    'te',
    'plait',
    'svp',
    'stp',
    'bitte',
    'danke',
    'jetzt',
    'sofort',
    'alstublieft',
    'aub',
  ],
]);
const REQUESTS = new Set([
  ...[
    'stop',
    'stopp',
    'stopall',
    'unsubscribe',
    'unsub',
    'optout',
    'arret',
    'arretez',
    'desabonner',
    'desinscrire',
  ],
  ...[
    'abmelden',
    'abbestellen',
    'baja',
    'alto',
    'pare',
    'parar',
    'paren',
    'sair',
    'descadastrar',
    'ferma',
    'basta',
  ],
  ...['disiscrivimi', 'uitschrijven', 'afmelden', 'wypisz', 'отписаться', 'стоп', 'отпишите'],
]);
/** Longer ones have a content of their own. */
const REQUEST_WORDS_MAX = 8;

/** A text that is nothing but keywords and politeness. */
function readRequest(folded: string): PhraseResult | undefined {
  const words = folded.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  if (words.length > REQUEST_WORDS_MAX) return undefined;
  const isOnlyThat = words.every((word) => FILLERS.has(word) || REQUESTS.has(word));
  if (!isOnlyThat || !words.some((word) => REQUESTS.has(word))) return undefined;
  return { isOptOut: true, phrase: words.join(' '), confidence: 'high' };
}

/** Scripts without blanks between words. */
const UNSPACED = [
  '退订',
  '不要再发',
  '别再发',
  '停止发送',
  '取消订阅',
  '配信停止',
  '送らないで',
  '解除してください',
  '수신거부',
  '보내지마',
];
const UNSPACED_NEGATIONS = [
  '不要退订',
  '不想退订',
  '不要停止发送',
  '不要取消订阅',
  '不想取消订阅',
  '配信停止しないで',
];

function readUnspaced(folded: string): PhraseResult {
  const dense = folded.normalize('NFKC').replace(/\s/gu, '');
  const phrase = UNSPACED.find((words) => dense.includes(words));
  if (phrase === undefined || UNSPACED_NEGATIONS.some((words) => dense.includes(words))) return NOTHING;
  return { isOptOut: true, phrase, confidence: 'high' };
}
