import { type AccessToken, TokenCache } from './token-cache.js';

/** Makes tokens `1`, `2`, … that are good for 100 ms. */
class Maker {
  made = 0;
  make = async (): Promise<AccessToken> => ({ value: String(++this.made), usableUntilMs: this.nowMs + 100 });

  constructor(public nowMs = 0) {}
}

test('a token is made once, however many ask for it together, until it is about to expire', async () => {
  const [cache, maker] = [new TokenCache(10), new Maker()];
  const get = (): Promise<string> => cache.get({ key: 'a' }, maker.nowMs, maker.make);
  expect(await Promise.all([get(), get(), get()])).toEqual(['1', '1', '1']);
  maker.nowMs = 99;
  expect(await get()).toBe('1');
  maker.nowMs = 100;
  expect(await Promise.all([get(), get()])).toEqual(['2', '2']);
});

test('credentials do not share a token; one that is forgotten is made anew', async () => {
  const [cache, maker] = [new TokenCache(10), new Maker()];
  expect(await cache.get({ key: 'a' }, 0, maker.make)).toBe('1');
  expect(await cache.get({ key: 'b' }, 0, maker.make)).toBe('2');
  cache.forget({ key: 'a' });
  expect(await cache.get({ key: 'a' }, 0, maker.make)).toBe('3');
  expect(await cache.get({ key: 'b' }, 0, maker.make)).toBe('2');
});

test('a failure is told to all who wait for it, and not kept', async () => {
  const [cache, maker] = [new TokenCache(10), new Maker()];
  const fail = (): Promise<AccessToken> => Promise.reject(new Error('down'));
  const both = [cache.get('a', 0, fail), cache.get('a', 0, maker.make)];
  const ends = await Promise.allSettled(both);
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await cache.get('a', 0, maker.make)).toBe('1');
});

test('no more tokens are kept than the bound', async () => {
  const [cache, maker] = [new TokenCache(2), new Maker()];
  for (const key of ['a', 'b', 'c']) await cache.get(key, 0, maker.make);
  expect(await cache.get('c', 0, maker.make)).toBe('3');
  expect(await cache.get('a', 0, maker.make)).toBe('4');
});
