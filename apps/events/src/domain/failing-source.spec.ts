import { isFailing, type RefusedSource } from './failing-source.js';

const MINUTE_MS = 60_000;
const NOW_MS = 1_700_000_000_000;
const source = (over: Partial<RefusedSource> = {}): RefusedSource => ({
  ...{ tenantId: 't', sourceId: 's', lastCause: 'signature.mismatch', refused: 10 },
  lastAuthenticAtMs: NOW_MS - 61 * MINUTE_MS,
  firstRefusedAtMs: NOW_MS - 60 * MINUTE_MS,
  ...over,
});

test.each([
  ['an hour of it, and ten requests', {}, true],
  ['a minute less', { firstRefusedAtMs: NOW_MS - 59 * MINUTE_MS }, false],
  ['one request less', { refused: 9 }, false],
  ['nothing authentic ever', { lastAuthenticAtMs: 0 }, true],
  ['an authentic one in between', { lastAuthenticAtMs: NOW_MS - 30 * MINUTE_MS }, false],
  ['an authentic one at the same time', { lastAuthenticAtMs: NOW_MS - 60 * MINUTE_MS }, false],
  ['nothing refused', { refused: 0, firstRefusedAtMs: 0, lastAuthenticAtMs: 0, lastCause: '' }, false],
])('A10 whether a source fails: %s', (_what, over, is) => {
  // Would break: an owner is woken by a stranger's few requests, or not told that replies are lost at the provider.
  expect(isFailing(source(over), NOW_MS)).toBe(is);
});
