import fc from 'fast-check';
import { anyText } from './any-text.js';
import { htmlText, mailAddress, mailHeader, mailId, mailKey, mailSignal } from './mail.js';

test.each([
  ['jane@example.com', 'jane@example.com'],
  ['Jane <jane@example.com>', 'jane@example.com'],
  ['"Doe, Jane" <jane@example.com>, Bob <bob@example.com>', 'jane@example.com'],
  ['Doe, Jane <jane@example.com>', 'jane@example.com'],
  ['"victim@example.com" <mallory@example.net>', 'mallory@example.net'],
  ['victim@example.com <mallory@example.net>', 'mallory@example.net'],
  ['(boss@example.com) jane@example.com', 'jane@example.com'],
  ['undisclosed-recipients:;', ''],
  ['', ''],
])('the address of %j is %j', (field, address) => expect(mailAddress(field)).toBe(address));

test.each([
  ['<a@b>', 'a@b'],
  [' <a@b>\n', 'a@b'],
  ['a@b', 'a@b'],
  ['', undefined],
  [undefined, undefined],
  [`<${'x'.repeat(300)}>`, undefined],
])('the Message-ID of %j is %j', (text, id) => expect(mailId(text)).toBe(id));

test('a header field is found in the head only, unfolded', () => {
  const block = 'Received: from x\n by y\nMESSAGE-ID:\r\n <a@b>\r\nSubject: s\r\n\r\nDate: in the text';
  expect(mailHeader(block, 'message-id')).toBe('<a@b>');
  expect(mailHeader(block, 'received')).toBe('from x by y');
  expect(mailHeader(block, 'date')).toBeUndefined();
});

test('a key differs with each part of it', () => {
  const keys = [
    mailKey('a', 'b', ['c']),
    mailKey('a', 'b', ['c', 'd']),
    mailKey('a', 'bc', []),
    mailKey('', 'ab', ['c']),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

test.each([
  ['Re: News', 'STOP', 'opt_out'],
  ['Re: News', 'Stop\n\nSent from my phone', 'opt_out'],
  [
    'Re: News',
    'unsubscribe\r\n\r\nOn Mon, 2 Nov 2026 at 10:00, Acme <news@acme.example>\r\nwrote:\r\n> Hello',
    'opt_out',
  ],
  ['AW: News', 'Abmelden\n\nAm 02.11.2026 um 10:00 schrieb Acme:\n\n> Hallo', 'opt_out'],
  ['Re: News', 'Arrêt\n\nLe lun. 2 nov. 2026 à 10:00, Acme <a@acme.example> a écrit :\n> Bonjour', 'opt_out'],
  ['Re: News', 'stop\n-- \nJane Doe', 'opt_out'],
  ['unsubscribe', '', 'opt_out'],
  ['Unsubscribe', 'This mail was made by a mail program.', 'opt_out'],
  ['Stop', '> quoted only', 'opt_out'],
  ['Cancel', 'my order 5, please', undefined],
  ['Re: Stop', '', undefined],
  ['Help', '', undefined],
  ['', 'Help\n\nmy order is broken', undefined],
  ['', 'HELP', 'help'],
  ['', 'Start', 'opt_in'],
  ['', 'Yes\n\nTuesday suits me', undefined],
  ['', 'Do not stop\n\nSTOP', undefined],
  ['', '> STOP', undefined],
])('E1 subject %j, text %j: %j', (subject, text, signal) => expect(mailSignal(subject, text)).toBe(signal));

test.each([
  ['<html><head><title>x</title><style>p{}</style></head><body><p>STOP</p></body></html>', 'STOP'],
  ['<div dir="ltr">Stop</div><br><blockquote>On &hellip;</blockquote>', 'Stop\n\nOn &hellip;'],
  ['a&amp;b &lt;c&gt; &#65;&#0;', 'a&b <c> A&#0;'],
  ['a\n   b<br/>c', 'a b\nc'],
  ['1 < 2', '1 < 2'],
  ['<script>hidden', ''],
])('the text of %j is %j', (html, text) => expect(htmlText(html)).toBe(text));

test('hostile mails cost no more than large ones: a slow expression would stop intake', () => {
  const large = 262_144;
  const hostile = ['<', '<style', '<style>', '<b> ', '\n ', '&', '"', '(', '>', 'on ', 'On x\n', 'a@'];
  const startedMs = performance.now();
  for (const piece of hostile) {
    const text = piece.repeat(Math.ceil(large / piece.length));
    htmlText(text);
    mailAddress(text);
    mailSignal(text, text);
    mailHeader(text, 'message-id');
    mailId(text);
  }
  // Measured: 0.2 s for all of them; a quadratic one takes minutes.
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});

test('nothing throws, whatever the text', () => {
  fc.assert(
    fc.property(anyText(), anyText(), (a, b) => {
      mailSignal(a, b);
      htmlText(`<p>${a}<${b}`);
      mailAddress(a);
      mailHeader(a, b);
      mailId(a);
    }),
  );
});
