import fc from 'fast-check';
import { laneOf } from './event-lane.js';

const shards = [3, 17, 40, 63];

test('F7 the same key is always in the same lane, and the lane is one of the tenant', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.uint8Array({ minLength: 16, maxLength: 16 })), (key) => {
      const asKey = typeof key === 'string' ? key : Buffer.from(key);
      expect(shards).toContain(laneOf(shards, asKey));
      expect(laneOf(shards, asKey)).toBe(laneOf(shards, asKey));
    }),
  );
});

test('F9 message IDs spread over all lanes', () => {
  const counts = new Map<number, number>();
  for (let id = 0; id < 4_000; id++) {
    const lane = laneOf(shards, `SM${id.toString(16).padStart(32, '0')}`);
    counts.set(lane, (counts.get(lane) ?? 0) + 1);
  }
  for (const shard of shards) expect(counts.get(shard)).toBeGreaterThan(800);
});
