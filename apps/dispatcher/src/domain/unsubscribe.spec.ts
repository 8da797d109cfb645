import { type MessageContent } from './command.js';
import { unsubscribeProgramOf, withUnsubscribe } from './unsubscribe.js';

const LINK = 'https://in.example/u/AQ';
const OFFER = { channel: 'email', category: 'marketing' } as const;
const RECEIPT = { channel: 'email', category: 'transactional' } as const;
const said = (fields: Partial<MessageContent>): MessageContent => ({
  ...{ text: 'Hello', html: '', subject: 'Hi', title: '', mediaUrls: [], template: undefined, data: {} },
  unsubscribeUrl: '',
  ...fields,
});
const noLink = (): never => {
  throw new Error('a link was made');
};

test('E1 marketing by mail gets a link; a link of the caller comes first; anything else has none', () => {
  expect(withUnsubscribe(OFFER, said({}), () => LINK)).toEqual(said({ unsubscribeUrl: LINK }));
  const own = said({ unsubscribeUrl: 'https://shop.example/bye' });
  expect(withUnsubscribe(OFFER, own, noLink)).toEqual(own);
  expect(withUnsubscribe(RECEIPT, said({}), noLink)).toEqual(said({}));
  for (const channel of ['sms', 'chat', 'push'] as const) {
    const text = 'Out: %unsubscribe_url%';
    expect(withUnsubscribe({ ...OFFER, channel }, said({ text }), noLink)).toEqual(said({ text }));
  }
});

test('E1 the placeholder is filled everywhere in the text, whatever the category and the link', () => {
  const named = said({
    text: 'Out: %unsubscribe_url% or %unsubscribe_url%',
    html: '<a href="%unsubscribe_url%">out</a>',
    data: { bye: 'at %unsubscribe_url%', name: 'Ada' },
  });
  expect(withUnsubscribe(RECEIPT, named, () => LINK)).toMatchObject({
    ...{ text: `Out: ${LINK} or ${LINK}`, html: `<a href="${LINK}">out</a>` },
    ...{ data: { bye: `at ${LINK}`, name: 'Ada' }, unsubscribeUrl: '' },
  });
  const unsubscribeUrl = `https://shop.example/?a=1&b="$&'`;
  expect(withUnsubscribe(OFFER, { ...named, unsubscribeUrl }, noLink)).toMatchObject({
    text: `Out: ${unsubscribeUrl} or ${unsubscribeUrl}`,
    html: '<a href="https://shop.example/?a=1&amp;b=&quot;$&amp;&#39;">out</a>',
    unsubscribeUrl,
  });
});

test('E1 a mail without a program, or with one too long for a link, unsubscribes from the whole channel', () => {
  expect(unsubscribeProgramOf({ program: 'news' })).toBe('news');
  expect(unsubscribeProgramOf({ program: '' })).toBe('all');
  expect(unsubscribeProgramOf({ program: 'ü'.repeat(61) })).toBe('all');
});
