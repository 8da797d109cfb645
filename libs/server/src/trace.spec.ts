import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { parseTraceparent, Tracer } from './trace.js';

const tracer = (sampleRatio: number, endpoint = '') =>
  new Tracer({ service: 'events', instanceId: 'i', clock: new FakeClock(), sampleRatio, endpoint });
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';

test('H3 the first span of a trace decides by the ratio; its IDs are always valid', () => {
  for (const ratio of [0, 1, 0.25]) {
    const spans = Array.from({ length: 4_000 }, () => tracerOf(ratio).start('work'));
    const sampled = spans.filter(({ isSampled }) => isSampled).length / spans.length;
    expect(Math.abs(sampled - ratio)).toBeLessThan(0.05);
    expect(new Set(spans.map(({ traceparent }) => traceparent)).size).toBe(spans.length);
    for (const { traceparent, isSampled } of spans)
      expect(parseTraceparent(traceparent)?.traceFlags).toBe(isSampled ? 1 : 0);
  }
});
const tracers = new Map<number, Tracer>();
const tracerOf = (ratio: number): Tracer => {
  const known = tracers.get(ratio) ?? tracer(ratio);
  tracers.set(ratio, known);
  return known;
};

test('H3 later spans follow the flag of their parent, whatever the ratio here', () => {
  expect(tracer(1).start('work', { parent: `${PARENT}-00` })).toMatchObject({
    isSampled: false,
    traceparent: `${PARENT}-00`,
  });
  expect(tracer(0).start('work', { parent: `${PARENT}-01` })).toMatchObject({
    isSampled: true,
    traceparent: `${PARENT}-01`, // recorded nowhere: the next hop hangs on the last span that is
  });
});

test('H3 a recorded span has its own ID in the trace of its parent', async () => {
  const recording = tracer(0, 'http://127.0.0.1:1');
  const span = recording.start('work', { parent: `${PARENT}-01`, attributes: { shard: 1 } });
  expect(span.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  expect(span.traceparent).not.toContain('b7ad6b7169203331');
  span.set('count', 3);
});

test('what is no traceparent counts as no parent', () => {
  const bad = [
    '',
    'x',
    `ff-${PARENT.slice(3)}-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `${PARENT}-1`,
    PARENT,
  ];
  for (const parent of bad) {
    expect(parseTraceparent(parent)).toBeUndefined();
    expect(tracer(0).start('work', { parent }).traceparent).not.toContain('b7ad6b7169203331');
  }
  expect(parseTraceparent(`01-${PARENT.slice(3)}-01-more`)).toMatchObject({ traceFlags: 1 });
});
