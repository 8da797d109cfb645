import { newUuid } from '@posthorn/clock/id.js';
import fc from 'fast-check';
import { journalLine, parseJournalLine } from './erasure.js';

const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Buffer.from(array));
const order = fc.record({
  erasureId: bytes,
  tenantId: bytes,
  actor: fc.string({ unit: 'binary' }),
  personHashes: fc.array(bytes, { minLength: 1, maxLength: 32 }),
  requestedAtMs: fc.nat(),
  through: bytes,
});

test('E6 what the journal says is read back, on one line', () => {
  fc.assert(
    fc.property(order, (one) => {
      const line = journalLine(one);
      expect(line).not.toContain('\n');
      expect(parseJournalLine(line)).toEqual(one);
    }),
  );
});

test('E6 half a line, or another’s, is no order', () => {
  const line = journalLine({
    erasureId: newUuid(1),
    tenantId: newUuid(2),
    actor: 'key',
    personHashes: [newUuid(3)],
    requestedAtMs: 4,
    through: newUuid(5),
  });
  for (let length = 0; length < line.length; length += 1)
    expect(parseJournalLine(line.slice(0, length))).toBeUndefined();
  for (const other of ['null', '3', '{}', '[]', line.replace('"actor":"key"', '"actor":3')])
    expect(parseJournalLine(other)).toBeUndefined();
});
