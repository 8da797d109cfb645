import fc from 'fast-check';
import { anyText } from './any-text.js';
import { foldKeyword, keywordMeaning, keywordSignal } from './opt-out-keywords.js';

test.each([
  'STOP',
  'stop',
  ' Stop. ',
  'STOP!!!',
  'stop\n',
  'Stop all',
  'STOP  ALL',
  'StopAll',
  'ＳＴＯＰ',
  'st\u200bop',
  'UNSUBSCRIBE',
  'opt-out',
  'Opt out…',
  'ARRÊT',
  'Arre\u0302t',
  'Abmelden',
  'NO MÁS',
  'Cancel?',
  '"STOP"',
  '“Stop”',
  '(stop)',
  '*STOP*',
  '#stop',
  '¡ALTO!',
  'STOP 🛑',
  '🛑🛑 stop ✋🏽',
  '⚠️ STOP ⚠️',
  'СТОП',
  '停止',
  'إيقاف',
  'Stoppen.',
])('E1 %j is an opt-out', (text) => expect(keywordSignal(text)).toBe('opt_out'));
test.each([
  ['start', 'opt_in'],
  ['YES.', 'opt_in'],
  ['Unstop', 'opt_in'],
  ['help', 'help'],
  ['INFO!', 'help'],
  ['Hilfe', 'help'],
])('E3 %j asks for %s', (text, signal) => {
  expect(keywordSignal(text)).toBe(signal);
});
test.each([
  '',
  ' ',
  '.',
  'please stop',
  'Stop it!',
  "don't stop",
  'stopwatch',
  'yes please',
  'constructor',
  '__proto__',
  's t o p',
  'STOP '.repeat(100),
])('%j is no keyword', (text) => {
  expect(keywordSignal(text)).toBeUndefined();
});

test('E1 case, and blanks, punctuation and pictures around it, never hide a keyword', () => {
  const word = fc.constantFrom('stop', 'unsubscribe', 'stop all', 'quit');
  const blanks = fc.stringMatching(/^[ \t\n]{0,3}$/);
  const around = fc.string({ unit: fc.constantFrom(...'.!?,;:… "\'“”¡¿()*#🛑⚠\ufe0f'), maxLength: 5 });
  const cased = fc
    .tuple(word, fc.infiniteStream(fc.boolean()))
    .map(([text, upper]) =>
      [...text].map((char) => (upper.next().value ? char.toUpperCase() : char)).join(''),
    );
  fc.assert(
    fc.property(
      cased,
      blanks,
      around,
      around,
      (text, blank, before, after) => keywordSignal(before + blank + text + after) === 'opt_out',
    ),
  );
});

test('no text makes it throw', () => {
  fc.assert(fc.property(anyText(200), (text) => (keywordSignal(text), true)));
});

test('E1 a word that version 0.1.0 folded is found as it was, and by what it means now', () => {
  const words = new Map([
    ['¡basta', 'opt_out'],
    ['weg', 'opt_out'],
  ]);
  expect(['¡Basta!', '"weg"', 'basta'].map((text) => keywordMeaning(words, text))).toEqual([
    'opt_out',
    'opt_out',
    undefined,
  ]);
});

test('what is folded already stays as it is', () => {
  fc.assert(
    fc.property(anyText(200), (text) => {
      const folded = foldKeyword(text);
      expect(foldKeyword(folded)).toBe(folded);
    }),
  );
});
