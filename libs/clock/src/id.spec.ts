import fc from 'fast-check';
import { derivedUuid, formatId, newUuid, parseId, uuidBytes, uuidText, uuidTimeMs } from './id.js';

const uuids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));

test('every UUID survives the way to its public form and back', () => {
  fc.assert(
    fc.property(uuids, (uuid) => {
      expect(parseId('evt', formatId('evt', uuid))).toEqual(uuid);
      expect(uuidBytes(uuidText(uuid))).toEqual(uuid);
    }),
  );
});

test('public IDs sort like their bytes', () => {
  fc.assert(
    fc.property(uuids, uuids, (a, b) => {
      expect(Math.sign(Buffer.compare(a, b))).toBe(
        formatId('evt', a) < formatId('evt', b) ? -1 : Number(!a.equals(b)),
      );
    }),
  );
});

test('another prefix, another length, a foreign character and an overflow are refused', () => {
  const id = formatId('evt', newUuid(1));
  for (const bad of [
    id.replace('evt', 'src'),
    id.slice(0, -1),
    `${id}0`,
    `${id.slice(0, -1)}u`,
    `evt_8${'0'.repeat(25)}`,
  ]) {
    expect(parseId('evt', bad)).toBeUndefined();
  }
});

test('a derived ID depends on every part, and carries its time', () => {
  const id = derivedUuid(1_700_000_000_123, 'a', 'bc');
  expect(derivedUuid(1_700_000_000_123, 'a', 'bc')).toEqual(id);
  expect(derivedUuid(1_700_000_000_123, 'ab', 'c')).not.toEqual(id);
  expect(uuidTimeMs(id)).toBe(1_700_000_000_123);
  expect(id[6]! >> 4).toBe(7);
});
