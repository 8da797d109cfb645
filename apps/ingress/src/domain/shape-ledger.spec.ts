import { shapeOfForm, shapeOfJson } from './body-shape.js';
import { ShapeLedger } from './shape-ledger.js';

const id = (n: number): Buffer => Buffer.from([n]);
const sample = (value: unknown, n: number) => ({ shape: shapeOfJson(value), atMs: n, eventId: id(n) });
const ledgerOf = (...values: unknown[]): ShapeLedger => {
  const ledger = new ShapeLedger(0);
  values.forEach((value, at) => ledger.add(sample(value, at + 1)));
  return ledger;
};

test('A8 a window counts each field and type, and says since when one is absent', () => {
  const window = ledgerOf({ a: 1, b: 's' }, { a: 'x' }, { a: 1 }).take()!;
  expect(window).toMatchObject({ samples: 3, firstAtMs: 1, lastAtMs: 3, firstEventId: id(1) });
  expect(window.fields.get('/a')).toMatchObject({ count: 3, absentCount: 0 });
  expect(window.fields.get('/a')!.types.get('number')).toEqual({
    ...{ count: 2, firstAtMs: 1, lastAtMs: 3, firstEventId: id(1) },
  });
  expect(window.fields.get('/a')!.types.get('string')).toMatchObject({ count: 1, firstAtMs: 2 });
  expect(window.fields.get('/b')).toMatchObject({
    ...{ count: 1, absentCount: 2, absentAtMs: 2, absentEventId: id(2) },
  });
});

test('A8 what is new is urgent until it is told; what is known is not told as new again', () => {
  const ledger = ledgerOf({ a: 1 });
  expect(ledger.isUrgent).toBe(true);
  ledger.take();
  expect(ledger.take()).toBeUndefined();
  ledger.add(sample({ a: 2 }, 2));
  expect(ledger.isUrgent).toBe(false);
  ledger.add(sample({ a: '2' }, 3));
  expect(ledger.isUrgent).toBe(true);
});

/** Feeds bodies; returns how many of them were looked at. */
function feed(ledger: ShapeLedger, value: unknown, bodies: number): number {
  let taken = 0;
  for (let n = 1; n <= bodies; n++) {
    if (!ledger.isSampled(n)) continue;
    taken += 1;
    ledger.add(sample(value, n));
  }
  return taken;
}

test('A8 every body is looked at until the shape is known, then one in 64, and all again after news', () => {
  const ledger = new ShapeLedger(0);
  expect(feed(ledger, { a: 1 }, 51)).toBe(51);
  expect(feed(ledger, { a: 1 }, 6_400)).toBe(100);
  expect(feed(ledger, { a: 1, b: 1 }, 64)).toBe(1);
  expect(feed(ledger, { a: 1, b: 1 }, 50)).toBe(50);
  expect(feed(ledger, { a: 1, b: 1 }, 128)).toBe(2);
  // `a` was always there: that it is not makes it worth looking.
  expect(feed(ledger, { b: 1 }, 64 + 49)).toBe(50);
  // `b` was not: that it is absent is no news.
  feed(ledger, { b: 1 }, 64);
  expect(feed(ledger, {}, 640)).toBe(10);
});

test('I8 a kind whose fields never end has as many as may be, and is sampled then', () => {
  const ledger = new ShapeLedger(0);
  const names = Array.from({ length: 400 }, (_, at) =>
    [...at.toString(26)].map((digit) => 'abcdefghijklmnopqrstuvwxyz'[parseInt(digit, 26)]).join(''),
  );
  names.forEach((name, at) => ledger.add({ shape: shapeOfForm([`x${name}`]), atMs: at, eventId: id(1) }));
  expect(ledger.take()!.fields.size).toBe(256);
  expect(feed(ledger, { xa: 1 }, 6_400)).toBeLessThan(200);
});
