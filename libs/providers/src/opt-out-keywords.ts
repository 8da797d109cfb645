/** What a text asks for by an exact keyword. */
export type Signal = 'opt_out' | 'opt_in' | 'help';

/**
 * The keywords of carriers and regulators, in folded form.
 * Source: 47 CFR 64.1200(a)(10); Twilio, Telnyx, Plivo, AWS and Braze documentation, read 2026-11; other
 * languages are the words customers use there.
 */
const KEYWORDS: Readonly<Record<Signal, readonly string[]>> = {
  opt_out: [
    ...[
      'stop',
      'stopall',
      'stop all',
      'unsubscribe',
      'unsub',
      'end',
      'quit',
      'cancel',
      'revoke',
      'remove',
      'td',
    ],
    ...[
      'optout',
      'opt out',
      'opt-out',
      'arret',
      'arrêt',
      'stopp',
      'abmelden',
      'alto',
      'parar',
      'cancelar',
      'baja',
    ],
    ...['no mas', 'no más', 'sair', 'ferma', 'annulla', 'detener', 'desuscribir', 'desinscrever'],
    ...['désabonner', 'desabonner', 'disiscrivimi', 'stoppen', 'afmelden', 'afmeld', 'avsluta', 'wypisz'],
    ...[
      'стоп',
      'отписаться',
      'iptal',
      'إيقاف',
      'ايقاف',
      'إلغاء',
      '停止',
      '配信停止',
      '退订',
      '退訂',
      '取消订阅',
      '수신거부',
    ],
  ],
  opt_in: ['start', 'unstop', 'yes', 'resume', 'go'],
  help: ['help', 'info', 'aide', 'ayuda', 'hilfe'],
};
const SIGNALS = new Map(
  Object.entries(KEYWORDS).flatMap(([signal, words]) =>
    words.map((word) => [word, signal as Signal] as const),
  ),
);
const LONGEST = Math.max(...[...SIGNALS.keys()].map((word) => word.length));
/** Texts longer than this cannot fold to a keyword in practice; keeps the work per message bounded. */
export const KEYWORD_TEXT_LENGTH_MAX = 160;

/** What folding leaves as it is, apart from case, blanks and punctuation. */
const ASCII = /^[\t\n\r\x20-\x7e]*$/;

/** Punctuation, and pictures with what colours or frames them. */
const BEFORE = /^[\p{P}\p{So}\p{Sk}\ufe0f\u20e3\s]+/u;
const BEHIND = /[\p{P}\p{So}\p{Sk}\ufe0f\u20e3\s]+$/u;

/**
 * Folds a text as the keyword table is folded: NFKC, lower case, no invisible characters, single blanks,
 * no punctuation and no pictures around it. What is folded already stays as it is.
 */
export const foldKeyword = (text: string): string => foldBehind(text).replace(BEFORE, '');

function foldBehind(text: string): string {
  const plain = ASCII.test(text) ? text.toLowerCase() : foldLetters(text);
  return plain.replace(/\s+/g, ' ').replace(BEHIND, '').trim();
}

/**
 * What a text that is one of these words and nothing else means. Words that were folded by version 0.1.0, which kept what
 * stands before them, are found as well.
 */
export function keywordMeaning<M>(words: ReadonlyMap<string, M>, text: string): M | undefined {
  if (text.length > KEYWORD_TEXT_LENGTH_MAX) return undefined;
  const behind = foldBehind(text);
  return words.get(behind.replace(BEFORE, '')) ?? words.get(behind);
}

/** Normal form again at the end: without an invisible character, or without its dot, a letter takes its accent. */
const foldLetters = (text: string): string =>
  text
    .replace(/\p{Cf}/gu, '')
    .normalize('NFKC')
    .toLowerCase()
    // The lower case of a Turkish İ has a second dot that nobody types.
    .replace(/i\u0307+/g, 'i')
    .normalize('NFKC');

/**
 * The signal of a text that is a keyword and nothing else. Sentences ("please stop") are another tier.
 * An opt-in here is what the text asks for; whether it counts (YES also confirms appointments) is decided
 * where the state of consent is known.
 */
export function keywordSignal(text: string): Signal | undefined {
  if (text.length > KEYWORD_TEXT_LENGTH_MAX) return undefined;
  const folded = foldKeyword(text);
  return folded.length > LONGEST ? undefined : SIGNALS.get(folded);
}
