import fc from 'fast-check';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import { contentTypeOf, mediaLimits, mediumRowId, plannedMedia, reasonOf, retryDelayMs } from './media.js';
import type { LoggedEvent } from './project-event.js';

const NOW_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;
const limits = mediaLimits({ mediaDeadlineSeconds: 259_200, mediaRetryBaseMs: 10_000, mediaBytesMax: 10 });

const eventOf = (mediaCount: number | undefined, ageMs = 0): LoggedEvent =>
  ({
    ...{ tenantId: newUuid(1), eventId: newUuid(NOW_MS - ageMs), sourceId: newUuid(2), provider: 'twilio' },
    attributes: { mediaCount },
  }) as unknown as LoggedEvent;

test('A9 what is planned: each medium of an event once, in its place, as many as may be', () => {
  const all = (events: LoggedEvent[]) => plannedMedia(events, () => true, NOW_MS, limits);
  expect(all([eventOf(undefined), eventOf(0)])).toEqual([]);
  const [two, many] = [eventOf(2), eventOf(4_000_000_000)];
  expect(all([two, many])).toEqual([
    ...[0, 1].map((index) => ({ ...named(two), index })),
    ...Array.from({ length: 10 }, (_, index) => ({ ...named(many), index })),
  ]);
  const wanted = formatId('ten', two.tenantId);
  expect(plannedMedia([two, eventOf(1)], (id) => id === wanted, NOW_MS, limits)).toHaveLength(2);
});
const named = ({ tenantId, eventId, sourceId, provider }: LoggedEvent) => ({
  ...{ tenantId, eventId, sourceId, provider, expiresAtMs: NOW_MS + 3 * DAY_MS },
});

test('A9 nothing is planned of an event whose time is over when it is understood', () => {
  const planned = (ageMs: number) => plannedMedia([eventOf(1, ageMs)], () => true, NOW_MS, limits);
  expect(planned(3 * DAY_MS - 1)).toHaveLength(1);
  expect(planned(3 * DAY_MS)).toEqual([]);
});

test('A9 waits grow, within their cap, and never shrink to nothing', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempts, random) => {
        const delayMs = retryDelayMs(attempts, limits, random);
        const longest = Math.min(limits.retryCapMs, limits.retryBaseMs * 2 ** Math.min(attempts - 1, 30));
        expect(delayMs).toBeGreaterThanOrEqual(longest / 2);
        expect(delayMs).toBeLessThanOrEqual(longest);
      },
    ),
  );
  expect(
    mediaLimits({ mediaDeadlineSeconds: 1, mediaRetryBaseMs: 3_600_000, mediaBytesMax: 1 }),
  ).toMatchObject({
    retryCapMs: 3_600_000,
  });
});

test('A9 each place of each event has a name of its own to be sealed under', () => {
  const [one, other] = [newUuid(NOW_MS), newUuid(NOW_MS)];
  const names = [one, other].flatMap((eventId) =>
    Array.from({ length: 10 }, (_, index) => mediumRowId({ eventId, index }).toString('hex')),
  );
  expect(new Set(names).size).toBe(20);
  expect(mediumRowId({ eventId: one, index: 3 }).toString('hex')).toBe(names[3]);
});

test.each([
  ['image/PNG; name="a b.png"', 'image/png'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', undefined],
  [' audio/ogg;codecs=opus', 'audio/ogg'],
  ['', 'application/octet-stream'],
  ['text/html\r\nset-cookie: a=b', 'application/octet-stream'],
  ['no type', 'application/octet-stream'],
  [`image/${'x'.repeat(64)}`, 'application/octet-stream'],
])('A9 %j is kept as a media type, or as none', (declared, kept) => {
  expect(contentTypeOf(declared)).toBe(kept ?? declared);
});

test('I10 a reason is a word of ours, never what somebody else said', () => {
  expect(['http_404', 'blocked_address', 'No such +4366', 'a b', 'x'.repeat(41), ''].map(reasonOf)).toEqual([
    ...['http_404', 'blocked_address', 'unknown', 'unknown', 'unknown', 'unknown'],
  ]);
});
