import { newUuid } from '@posthorn/clock/id.js';
import fc from 'fast-check';
import {
  keepWithin,
  nameOfSource,
  REFUSAL_AGE_MS_MAX,
  SOURCE_BYTES_MAX,
  weightOf,
  type Refusal,
} from './refusal.js';

const NOW_MS = 1_790_000_000_000;
/** Only lengths are judged: none is worth a copy. */
const BYTES = Buffer.alloc(SOURCE_BYTES_MAX);
const [tenantId, sourceId, otherSource] = [newUuid(1), newUuid(2), newUuid(3)];
const refusal = (over: Partial<Refusal> = {}): Refusal => ({
  requestId: newUuid(NOW_MS),
  tenantId,
  sourceId,
  provider: 'twilio',
  receivedAtMs: NOW_MS,
  cause: 'signature.mismatch',
  headers: [],
  dataKeyId: newUuid(4),
  raw: Buffer.alloc(1),
  traceparent: '',
  ...over,
});

test('A10 whatever comes, no source keeps more than its budget, and what fits is kept', () => {
  // Would break: a stranger who posts to a known URL fills the disk.
  const sizes = fc.array(
    fc.record({ size: fc.integer({ min: 1, max: SOURCE_BYTES_MAX }), isOther: fc.boolean() }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: SOURCE_BYTES_MAX }), (all, usedBytes) => {
      const refusals = all.map(({ size, isOther }) =>
        refusal({ raw: BYTES.subarray(0, size), sourceId: isOther ? otherSource : sourceId }),
      );
      const kept = new Set(keepWithin(refusals, new Map([[nameOfSource(refusal()), usedBytes]]), NOW_MS));
      for (const source of [sourceId, otherSource]) {
        let taken = source === sourceId ? usedBytes : 0;
        for (const one of refusals.filter((each) => each.sourceId === source)) {
          const fits = taken + weightOf(one) <= SOURCE_BYTES_MAX;
          expect(kept.has(one)).toBe(fits);
          if (fits) taken += weightOf(one);
        }
        expect(taken).toBeLessThanOrEqual(SOURCE_BYTES_MAX);
      }
    }),
    { numRuns: 30 },
  );
});

test('A10 what has expired before it came is not kept; an empty request weighs something, too', () => {
  const late = refusal({ requestId: newUuid(NOW_MS - REFUSAL_AGE_MS_MAX - 1) });
  expect(keepWithin([late], new Map(), NOW_MS)).toEqual([]);
  expect(weightOf(refusal({ headers: ['ä', 'b'] }))).toBe(weightOf(refusal()) + 3);
  expect(weightOf(refusal())).toBeGreaterThan(200);
});
