import fc from 'fast-check';
import { type ChainHead, entryHash, GENESIS, problemAfter } from './audit-chain.js';
import { type ChainedEntry } from './audit-entry.js';

const TENANT = '018f0000-0000-7000-8000-000000000001';
const content = fc.record({
  auditId: fc.uuid(),
  atMs: fc.nat(),
  actor: fc.record({
    id: fc.string(),
    kind: fc.constantFrom('operator' as const, 'tenant' as const, 'service' as const),
    remoteAddress: fc.string(),
  }),
  action: fc.string(),
  target: fc.string(),
  detailJson: fc.string({ unit: 'grapheme' }),
  origin: fc.string(),
});
const contents = fc.array(content, { minLength: 1, maxLength: 12 });
type Content = Omit<ChainedEntry, 'number' | 'hash'>;

function chainOf(entries: readonly Content[]): ChainedEntry[] {
  let hash = GENESIS.hash;
  return entries.map((entry, index) => {
    const numbered = { ...entry, number: BigInt(index) + 1n };
    hash = entryHash(hash, TENANT, numbered);
    return { ...numbered, hash };
  });
}

/** The first number that is wrong, and why; undefined when all of it follows and nothing is missing at the end. */
function judge(entries: readonly ChainedEntry[], end: ChainHead) {
  let head: ChainHead = GENESIS;
  for (const entry of entries) {
    const found = problemAfter(head, TENANT, entry);
    if (found !== undefined) return found;
    head = entry;
  }
  return head.number === end.number && head.hash.equals(end.hash)
    ? undefined
    : { number: head.number + 1n, problem: 'missing' };
}

test('B8 I9 a log as it was written verifies, whatever it says', () => {
  fc.assert(fc.property(contents, (all) => judge(chainOf(all), chainOf(all).at(-1)!) === undefined));
});

test('B8 I9 one changed field anywhere is found at its entry', () => {
  const change = fc.constantFrom<(entry: Content, text: string) => Content>(
    (entry, text) => ({ ...entry, action: entry.action + text }),
    (entry, text) => ({ ...entry, target: text + entry.target }),
    (entry, text) => ({ ...entry, detailJson: entry.detailJson + text }),
    (entry, text) => ({ ...entry, origin: entry.origin + text }),
    (entry, text) => ({ ...entry, actor: { ...entry.actor, id: entry.actor.id + text } }),
    (entry, text) => ({
      ...entry,
      actor: { ...entry.actor, remoteAddress: text + entry.actor.remoteAddress },
    }),
    (entry) => ({ ...entry, atMs: entry.atMs + 1 }),
  );
  fc.assert(
    fc.property(contents, fc.nat(), change, fc.string({ minLength: 1 }), (all, at, how, text) => {
      const chain = chainOf(all);
      const index = at % chain.length;
      const { number, hash } = chain[index]!;
      const tampered = chain.with(index, { ...how(chain[index]!, text), number, hash });
      expect(judge(tampered, chain.at(-1)!)).toEqual({ number: BigInt(index) + 1n, problem: 'changed' });
    }),
  );
});

test('B8 I9 text that is moved from one field to the next is found', () => {
  fc.assert(
    fc.property(content, fc.string({ minLength: 1 }), (entry, text) => {
      const [before] = chainOf([{ ...entry, action: entry.action + text }]);
      const [after] = chainOf([{ ...entry, target: text + entry.target }]);
      expect(before!.hash.equals(after!.hash)).toBe(false);
    }),
  );
});

test('B8 I9 whatever is removed, at the end too, is found where it was', () => {
  fc.assert(
    fc.property(contents, fc.nat(), fc.integer({ min: 1, max: 12 }), (all, at, count) => {
      const chain = chainOf(all);
      const index = at % chain.length;
      const left = chain.toSpliced(index, count);
      expect(judge(left, chain.at(-1)!)).toEqual({ number: BigInt(index) + 1n, problem: 'missing' });
    }),
  );
});

test('B8 I9 entries that were renumbered to hide a gap do not verify', () => {
  fc.assert(
    fc.property(fc.array(content, { minLength: 2, maxLength: 12 }), fc.nat(), (all, at) => {
      const chain = chainOf(all);
      const index = at % (chain.length - 1);
      const left = chain
        .toSpliced(index, 1)
        .map((entry, place) => ({ ...entry, number: BigInt(place) + 1n }));
      expect(judge(left, chain.at(-1)!)).toEqual({ number: BigInt(index) + 1n, problem: 'changed' });
    }),
  );
});

test('B8 I9 an entry of another tenant does not verify', () => {
  const [entry] = chainOf([
    {
      ...{ auditId: TENANT, atMs: 1, action: 'a.b', target: 't', detailJson: '{}', origin: '' },
      actor: { id: 'key_1', kind: 'operator', remoteAddress: '' },
    },
  ]);
  const other = TENANT.replace(/1$/, '2');
  expect(problemAfter(GENESIS, other, entry!)).toEqual({ number: 1n, problem: 'changed' });
});
