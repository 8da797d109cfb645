import fc from 'fast-check';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { SealedBox } from '@posthorn/crypto/sealed-box.js';
import type { ConsentProof } from './consent-proof.js';
import {
  RECORD_PLACES,
  type RecordAt,
  type RecordBoxOf,
  RecordSeals,
  SEALED_PREFIX,
} from './record-seals.js';

const [ACME, OTHER, ROW, ROW_TOO] = [1, 2, 3, 4].map((ms) => uuidText(newUuid(ms))) as [
  ...[string, string, string, string],
];
const boxes = new Map([ACME, OTHER].map((id, at) => [id, new SealedBox(newUuid(at), Buffer.alloc(32, at))]));
const seals = (boxOf: RecordBoxOf = (tenantId) => boxes.get(tenantId)) => new RecordSeals(boxOf);
const code = (expected: string) => expect.objectContaining({ code: expected });
const place = fc.constantFrom(...RECORD_PLACES);
const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 600 });
const PROOF: ConsentProof = {
  ...{ eventId: 'evt_1', wording: 'Yes, “offers” 🎺', wordingVersion: '3', method: 'web_form' },
  ...{ url: 'https://shop.test/join', ip: '203.0.113.7', note: 'by phone' },
};

test('B6 what is sealed shows nothing, opens to the same words, and each time looks different', () => {
  fc.assert(
    fc.property(place, words, (at, text) => {
      const where: RecordAt = { tenantId: ACME, place: at, rowId: ROW };
      const [kept, again] = [seals().seal(where, text), seals().seal(where, text)];
      expect(kept.startsWith(SEALED_PREFIX)).toBe(true);
      expect(kept).not.toBe(again);
      if (text.length > 3) expect(kept).not.toContain(text);
      expect([kept, again].map((one) => seals().open(where, one))).toEqual([text, text]);
    }),
  );
  // What looks sealed is words like others.
  const where: RecordAt = { tenantId: ACME, place: 'signal_note', rowId: ROW };
  expect(seals().open(where, seals().seal(where, `${SEALED_PREFIX}x`))).toBe(`${SEALED_PREFIX}x`);
  expect(seals().seal(where, '')).toBe('');
});

test('B6 B10 what was moved to another row, place or tenant is refused', () => {
  const home: RecordAt = { tenantId: ACME, place: 'signal_note', rowId: ROW };
  const kept = seals().seal(home, 'Ada called');
  const elsewhere: RecordAt[] = [
    { ...home, rowId: ROW_TOO },
    { ...home, place: 'review_note' },
    { ...home, tenantId: OTHER },
  ];
  for (const at of elsewhere) expect(() => seals().open(at, kept)).toThrow(code('ciphertext.invalid'));
  // Not only because the other tenant has another key.
  const shared = seals(() => boxes.get(ACME));
  expect(() => shared.open({ ...home, tenantId: OTHER }, kept)).toThrow(code('ciphertext.invalid'));
  const broken = `${SEALED_PREFIX}nothing of ours`;
  expect(() => seals().open(home, broken)).toThrow(code('ciphertext.invalid'));
});

test('B6 a key that is not in memory is no reason to write in the clear, nor to show what is sealed', () => {
  const at: RecordAt = { tenantId: ACME, place: 'lift_reason', rowId: ROW };
  const kept = seals().seal(at, 'Ada called');
  const away = seals(() => undefined);
  expect(() => away.seal(at, 'Ada called')).toThrow(code('data_key.unavailable'));
  expect(() => away.open(at, kept)).toThrow(code('data_key.unavailable'));
  expect(() => away.openProof(ACME, ROW, seals().sealProof(ACME, ROW, PROOF))).toThrow(
    code('data_key.unavailable'),
  );
  expect(away.open(at, 'opt_in')).toBe('opt_in');
});

test('before tenants has made a key words are kept as they are, and nothing that is sealed is shown', () => {
  const none = seals(() => 'none');
  const at: RecordAt = { tenantId: ACME, place: 'signal_note', rowId: ROW };
  expect(none.seal(at, 'Ada called')).toBe('Ada called');
  expect(none.sealProof(ACME, ROW, PROOF)).toEqual(PROOF);
  expect(none.openProof(ACME, ROW, PROOF)).toEqual(PROOF);
  expect(() => none.open(at, seals().seal(at, 'x'))).toThrow(code('data_key.unavailable'));
  // It would be taken for sealed.
  expect(() => none.seal(at, `${SEALED_PREFIX}x`)).toThrow(code('data_key.unavailable'));
});

test('B6 I6 a version that seals nothing finds in a sealed proof all that it reads, and none of it says anything', () => {
  const kept = seals().sealProof(ACME, ROW, PROOF);
  const { sealed, ...seen } = kept;
  expect(Object.keys(seen).sort()).toEqual(Object.keys(PROOF).sort());
  expect(Object.values(seen).every((value) => value === '')).toBe(true);
  expect(sealed).toBeDefined();
  expect(seals().openProof(ACME, ROW, JSON.parse(JSON.stringify(kept)) as typeof kept)).toEqual(PROOF);
});
