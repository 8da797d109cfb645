import { generateKeyPairSync } from 'node:crypto';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import type { EgressAnswer } from '@posthorn/egress/egress-client.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { SenderKeys } from './sender-keys.js';

const URL = 'https://sender.example/jwks.json';
const keySet = (): string => {
  const { publicKey } = generateKeyPairSync('ed25519');
  return JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] });
};
const [FIRST, SECOND] = [keySet(), keySet()];
const MINUTE_MS = 60_000;

/** A sender's page of keys, by hand. */
function far() {
  const state = { body: FIRST, status: 200, asked: 0, isDown: false };
  const clock = new FakeClock();
  const get = async (): Promise<EgressAnswer> => {
    state.asked += 1;
    if (state.isDown) throw new AppError('egress.failed');
    return { status: state.status, headers: {}, bodyStart: Buffer.from(state.body), durationMs: 1 };
  };
  const keys = new SenderKeys({ get }, clock, { warn: () => {} }, new Metrics());
  return { state, clock, keys };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('B2 keys are fetched once for all who ask, and are the same object while they are the same text', async () => {
  const { state, clock, keys } = far();
  const all = await Promise.all([keys.of(URL), keys.of(URL), keys.of(URL)]);
  expect(new Set(all).size).toBe(1);
  expect(all[0]).toEqual({ id: URL, value: FIRST });
  expect(state.asked).toBe(1);
  clock.advance(11 * MINUTE_MS);
  expect(await keys.of(URL)).toBe(all[0]);
  await turn();
  expect(state.asked).toBe(2);
  expect(await keys.of(URL)).toBe(all[0]);
});

test('B2 keys in use are fetched anew behind the requests, and a sender that is away changes nothing for a day', async () => {
  const { state, clock, keys } = far();
  await keys.of(URL);
  state.body = SECOND;
  clock.advance(11 * MINUTE_MS);
  expect((await keys.of(URL)).value).toBe(FIRST);
  await turn();
  expect((await keys.of(URL)).value).toBe(SECOND);
  state.isDown = true;
  clock.advance(23 * 60 * MINUTE_MS);
  expect((await keys.of(URL)).value).toBe(SECOND);
  await turn();
  clock.advance(2 * 60 * MINUTE_MS);
  await expect(keys.of(URL)).rejects.toMatchObject({ code: 'service.unavailable' });
});

test.each([
  ['is away', { isDown: true }],
  ['answers 404', { status: 404 }],
  ['answers something else', { body: '<html>' }],
  ['publishes no key', { body: '{"keys":[]}' }],
])('A4 a sender that %s: later, not never; and it is not asked at each request', async (_why, fault) => {
  const { state, clock, keys } = far();
  Object.assign(state, fault);
  for (let tries = 0; tries < 10; tries++)
    await expect(keys.of(URL)).rejects.toMatchObject({ code: 'service.unavailable' });
  expect(state.asked).toBe(1);
  Object.assign(state, { isDown: false, status: 200, body: FIRST });
  clock.advance(5_000);
  expect((await keys.of(URL)).value).toBe(FIRST);
});

test('B3 I8 unknown keys have a sender asked no more often than a bound, and meanwhile nobody is refused for good', async () => {
  const { state, clock, keys } = far();
  await keys.of(URL);
  state.body = SECOND;
  const error = await keys.afresh(URL).catch((cause: unknown) => cause as AppError);
  expect(error).toMatchObject({ code: 'service.unavailable', retryAfterMs: 30_000 });
  clock.advance(30_000);
  const found = await Promise.all(Array.from({ length: 50 }, () => keys.afresh(URL)));
  expect(new Set(found.map(({ value }) => value))).toEqual(new Set([SECOND]));
  expect(state.asked).toBe(2);
});

test('I8 however many addresses there are, the keys of so many are kept', async () => {
  const { state, keys } = far();
  for (let index = 0; index < 1_001; index++) await keys.of(`${URL}?${index}`);
  await keys.of(`${URL}?1000`);
  expect(state.asked).toBe(1_001);
  await keys.of(`${URL}?0`);
  expect(state.asked).toBe(1_002);
});
