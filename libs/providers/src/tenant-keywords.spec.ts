import fc from 'fast-check';
import { anyText } from './any-text.js';
import { foldKeyword, keywordSignal } from './opt-out-keywords.js';
import { providerEvent, type ProviderEvent } from './provider.js';
import {
  keywordTable,
  mergeKeywords,
  readTenantKeywords,
  TENANT_WORD_LENGTH_MAX,
  TENANT_WORDS_MAX,
  type TenantKeywords,
  tenantSignal,
} from './tenant-keywords.js';

const message = (text: string, over: Partial<ProviderEvent> = {}): ProviderEvent =>
  providerEvent({
    ...{ dedupKey: 'k', type: 'message.received', channel: 'sms', direction: 'inbound' },
    content: { from: '+431', to: '+432', text, subject: '', mediaUrls: [] },
    ...over,
  });
const tableOf = (given: Parameters<typeof readTenantKeywords>[0]) =>
  keywordTable(readTenantKeywords(given).keywords);
const WORDS = tableOf({ optOut: ['Lopeta', 'СТОП', 'もういい'], optIn: ['aloita'], help: ['apua'] });

/** Words as people of several scripts write them; none is a usual keyword. */
const word = fc.constantFrom(
  ...['lopeta', 'İptal', 'ırak', 'стоп', 'отписаться', 'διαγραφή', 'odjávit', 'wyłącz', 'dừng lại'],
  ...['もういい', '退订', '그만', 'توقف', 'הסר', 'बंद करो', 'não quero', '👎', 'l’arret-là'],
);
const blanks = fc.stringMatching(/^[ \t\n\u00a0\u3000]{0,3}$/);
const ends = fc.stringMatching(/^[.!?,;:…。！؟ ]{0,5}$/);
const invisible = fc.constantFrom('', '\u200b', '\u200d', '\u2060', '\ufeff', '\u00ad');
const form = fc.constantFrom('NFC', 'NFD', 'NFKC', 'NFKD');

test('E1 case, form, invisible characters, blanks around and punctuation behind never hide a word of a tenant', () => {
  fc.assert(
    fc.property(
      ...([word, blanks, ends, invisible, form, fc.boolean(), fc.nat(20)] as const),
      (own, before, after, hidden, normalForm, isUpper, at) => {
        const words = tableOf({ optOut: [own] });
        const cased = isUpper && own !== 'ırak' ? own.toUpperCase() : own;
        const chars = [...cased.normalize(normalForm)];
        chars.splice(at, 0, hidden);
        return tenantSignal(message(before + chars.join('') + after), words) === 'opt_out';
      },
    ),
    { numRuns: 2_000 },
  );
});

test('E1 what is folded stays as it is, so that a word that is stored is found by any version of it', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    anyText(40),
    fc
      .array(fc.constantFrom('i', 'I', 'İ', '\u0307', '\u0301', '\u200b', 'Σ', 'ß', 'ﬁ', ' ', '.', 'Å'))
      .map((chars) => chars.join('')),
  );
  fc.assert(
    fc.property(text, (given) => foldKeyword(foldKeyword(given)) === foldKeyword(given)),
    { numRuns: 5_000 },
  );
});

test('E1 no list of words changes what a usual keyword means', () => {
  const anyWord = fc.oneof(
    word,
    fc.constantFrom('STOP', 'stop all', 'Unsubscribe.', 'START', 'yes', 'Help!', 'baja'),
  );
  const list = fc.array(anyWord, { maxLength: 4 });
  fc.assert(
    fc.property(list, list, list, (optOut, optIn, help) => {
      const { keywords, errors } = readTenantKeywords({ optOut, optIn, help });
      const isChanged = [...keywordTable(keywords)].some(
        ([own, signal]) => (keywordSignal(own) ?? signal) !== signal,
      );
      return !isChanged || errors.length > 0;
    }),
  );
});

test.each([
  [{ optIn: ['STOP'] }, ['keywords.optIn.0'], 'is an opt-out'],
  [{ help: ['sos', 'Stop!'] }, ['keywords.help.1'], 'is an opt-out'],
  [{ optOut: ['yes'] }, ['keywords.optOut.0'], 'is an opt-in'],
  [{ optOut: ['Help'] }, ['keywords.optOut.0'], 'asks for help'],
  [{ optOut: ['...'] }, ['keywords.optOut.0'], 'must be a word'],
  [{ optOut: ['a\u0000b'] }, ['keywords.optOut.0'], 'must be a word'],
  [{ optOut: ['\ud83d'] }, ['keywords.optOut.0'], 'must be a word'],
  [{ optOut: [7] }, ['keywords.optOut.0'], 'must be a word'],
  [{ optOut: ['x'.repeat(TENANT_WORD_LENGTH_MAX + 1)] }, ['keywords.optOut.0'], 'must be a word'],
  [
    { optOut: Array.from({ length: TENANT_WORDS_MAX + 1 }, (_, n) => `w${n}`) },
    ['keywords.optOut'],
    'list of',
  ],
  [{ optOut: 'lopeta' }, ['keywords.optOut'], 'list of'],
  [{ optOut: ['lopeta'], help: ['LOPETA!'] }, ['keywords'], 'twice'],
])('E1 %j names the field that is wrong', (given, paths, says) => {
  const { errors } = readTenantKeywords(given);
  expect(errors.map(({ path }) => path)).toEqual(paths);
  expect(errors[0]!.message).toContain(says);
});

test.each([
  ['LOPETA!', 'opt_out'],
  ['стоп', 'opt_out'],
  ['もういい。', 'opt_out'],
  ['Aloita', 'opt_in'],
  ['apua?', 'help'],
  ['lopeta jo', undefined],
  ['', undefined],
  ['lopeta' + ' '.repeat(200), undefined],
])('E1 %j is %s by the words of the tenant', (text, signal) => {
  expect(tenantSignal(message(text), WORDS)).toBe(signal);
});

test.each<[string, Partial<ProviderEvent>]>([
  ['has a signal already', { signal: 'opt_in' }],
  ['tells of a message of ours', { type: 'message.sent', direction: 'outbound' }],
  ['is not understood', { type: 'event.unrecognized' }],
  ['has no content', { content: undefined }],
])('E1 an event that %s is none of the tenant’s words', (_, over) => {
  expect(tenantSignal(message('lopeta', over), WORDS)).toBeUndefined();
});

test('E1 a part of a longer text is no word of the tenant', () => {
  expect(tenantSignal({ ...message('lopeta'), isPart: true }, WORDS)).toBeUndefined();
});

test('E1 a mail is read as for the usual keywords: without what is quoted, and its subject when it has no text', () => {
  const mail = (text: string, subject = '') =>
    message(text, {
      channel: 'email',
      content: { from: 'a@b.c', to: 'd@e.f', text, subject, mediaUrls: [] },
    });
  expect(tenantSignal(mail('Lopeta\n\nSent from my phone'), WORDS)).toBe('opt_out');
  expect(tenantSignal(mail('Lopeta\n> Hyvä asiakas'), WORDS)).toBe('opt_out');
  expect(tenantSignal(mail('', 'lopeta'), WORDS)).toBe('opt_out');
  expect(tenantSignal(mail('Kiitos', 'lopeta'), WORDS)).toBeUndefined();
});

test('E1 words of two lists together: nothing is lost, and the meaning after which less is sent stays', () => {
  const former: TenantKeywords = { optOut: ['a'], optIn: ['b', 'c'], help: ['d'] };
  const wanted: TenantKeywords = { optOut: ['b'], optIn: ['a', 'd'], help: ['c'] };
  const merged = keywordTable(mergeKeywords(former, wanted));
  expect(Object.fromEntries(merged)).toEqual({ a: 'opt_out', b: 'opt_out', c: 'help', d: 'help' });
  expect(mergeKeywords(former, former)).toEqual({ optOut: ['a'], optIn: ['b', 'c'], help: ['d'] });
});
