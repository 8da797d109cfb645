import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { newUuid } from '@posthorn/clock/id.js';
import { CONCAT_WAIT_MS, textsOf, type WaitingPart } from './text-parts.js';

const NOW = 1_700_000_000_000;
const [TENANT, SOURCE] = [newUuid(1), newUuid(2)];
const HASHES = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];

const part = (number: number, total: number, over: Partial<WaitingPart> = {}): WaitingPart => ({
  ...{ tenantId: TENANT, sourceId: SOURCE, eventId: randomBytes(16), textHash: HASHES[0]!, number, total },
  ...{ occurredAtMs: NOW, receivedAtMs: NOW, waitsSinceMs: NOW, ...over },
});
const numbersOf = (texts: readonly (readonly WaitingPart[])[]): number[][] =>
  texts.map((text) => text.map(({ number }) => number));
const namesOf = (texts: readonly (readonly WaitingPart[])[]): string[] =>
  texts.map((text) => text.map(({ eventId }) => eventId.toString('hex')).join()).sort();

test('D2 which parts become which text does not depend on the order they came in', () => {
  // Would break: the same parts would be another message, depending on the network.
  const places = fc.array(
    fc.record({
      number: fc.integer({ min: 1, max: 3 }),
      of: fc.nat(1),
      atMs: fc.nat(3),
      isOld: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  );
  const parts = places.map((list) =>
    list.map(({ number, of, atMs, isOld }) =>
      part(number, 3, {
        textHash: HASHES[of]!,
        occurredAtMs: atMs,
        waitsSinceMs: isOld ? NOW - CONCAT_WAIT_MS : NOW,
      }),
    ),
  );
  fc.assert(
    fc.property(
      parts.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
      ),
      ([list, mixed]) => {
        const texts = textsOf(mixed, NOW);
        expect(namesOf(texts)).toEqual(namesOf(textsOf(list, NOW)));
        for (const text of texts) {
          expect(new Set(text.map(({ textHash }) => textHash)).size).toBe(1);
          expect(text.map(({ number }) => number)).toEqual(
            [...new Set(text.map(({ number }) => number))].sort(),
          );
        }
        const all = texts.flat();
        expect(new Set(all).size).toBe(all.length);
        // What waited long enough is used, whatever is missing.
        expect(list.filter((one) => one.waitsSinceMs < NOW && !all.includes(one))).toEqual([]);
      },
    ),
  );
});

test('D2 a text is put together once all its parts are there; before, it waits, and not for ever', () => {
  const [first, last] = [part(1, 3), part(3, 3)];
  expect(textsOf([last, first], NOW + CONCAT_WAIT_MS - 1)).toEqual([]);
  expect(numbersOf(textsOf([last, part(2, 3), first], NOW))).toEqual([[1, 2, 3]]);
  expect(numbersOf(textsOf([last, first], NOW + CONCAT_WAIT_MS))).toEqual([[1, 3]]);
});

test('D2 a reference that is used again makes another text, the earlier parts first', () => {
  const early = [part(1, 2), part(2, 2)];
  const late = [part(1, 2, { occurredAtMs: NOW + 9 }), part(2, 2, { occurredAtMs: NOW + 9 })];
  expect(textsOf([late[0]!, early[1]!, late[1]!, early[0]!], NOW)).toEqual([early, late]);
  expect(textsOf([late[0]!, early[1]!, early[0]!], NOW)).toEqual([early]);
});

test('B10 parts of two tenants, sources or senders never become one text', () => {
  const others = [{ tenantId: newUuid(7) }, { sourceId: newUuid(8) }, { textHash: HASHES[1]! }];
  for (const other of others) expect(textsOf([part(1, 2), part(2, 2, other)], NOW)).toEqual([]);
});
