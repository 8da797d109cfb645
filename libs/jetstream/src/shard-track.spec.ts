import fc from 'fast-check';
import { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { ShardTrack } from './shard-track.js';

const ROOM = 40;
const PAGE = 7;

const factAt = (sequence: bigint): Fact => ({ ...Fact.decode(Buffer.alloc(0)), sequence });
const facts = (from: number, to: number): Fact[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => factAt(BigInt(from + at)));
const numbers = (list: readonly Fact[]): number[] => list.map(({ sequence }) => Number(sequence));

/** The owner of the facts: knows everything, answers pages. */
class Source {
  epoch = 'a';
  head = 0;
  restart(epoch: string, head: number): void {
    this.epoch = epoch;
    this.head = head;
  }
  page(after: bigint): { epoch: string; facts: Fact[]; head: bigint } {
    const from = Number(after) + 1;
    return {
      epoch: this.epoch,
      facts: facts(from, Math.min(this.head, from + PAGE - 1)),
      head: BigInt(this.head),
    };
  }
}

type Step =
  | { kind: 'grow'; by: number }
  | { kind: 'run'; back: number; length: number }
  | { kind: 'stale'; epoch: string; from: number; length: number }
  | { kind: 'heartbeat'; back: number }
  | { kind: 'ask' }
  | { kind: 'answer' }
  | { kind: 'apply'; max: number; isLost: boolean }
  | { kind: 'restore'; head: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('grow' as const), by: fc.integer({ min: 1, max: 9 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      back: fc.nat(12),
      length: fc.integer({ min: 1, max: 10 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('stale' as const),
      epoch: fc.constantFrom('', 'z', 'a'),
      from: fc.integer({ min: 1, max: 30 }),
      length: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('heartbeat' as const), back: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'ask' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'answer' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('apply' as const),
      max: fc.integer({ min: 1, max: 8 }),
      isLost: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restore' as const), head: fc.nat(20) }) },
);

/** A consumer around the track, as the feed drives it: commits, forgets what it held, asks, applies. */
class Model {
  readonly source = new Source();
  readonly track = new ShardTrack(3, 1n, { epoch: '', sequence: 0n });
  /** What is committed, by epoch. */
  readonly applied = new Map<string, number[]>();
  private committed = { epoch: '', sequence: 0n };
  private asked: { after: bigint; answer: ReturnType<Source['page']> } | undefined;
  private epochs = 0;

  run(step: Step): void {
    const { source, track } = this;
    switch (step.kind) {
      case 'grow':
        source.head += step.by;
        break;
      case 'run': {
        const to = Math.max(0, source.head - step.back);
        const run = facts(Math.max(1, to - step.length + 1), to);
        track.offerRun(source.epoch, run, Math.max(0, ROOM - track.buffered));
        break;
      }
      case 'stale': {
        if (step.epoch === source.epoch) break;
        track.offerRun(step.epoch, facts(step.from, step.from + step.length), ROOM);
        break;
      }
      case 'heartbeat':
        if (!track.offerHead(source.epoch, BigInt(Math.max(0, source.head - step.back))))
          track.takeHead(source.epoch, BigInt(source.head));
        break;
      case 'ask':
        this.asked ??= { after: track.end, answer: source.page(track.end) };
        break;
      case 'answer':
        if (this.asked === undefined) break;
        track.takePage(
          this.asked.answer.epoch,
          this.asked.answer.facts,
          this.asked.answer.head,
          this.asked.after,
        );
        this.asked = undefined;
        break;
      case 'apply':
        this.apply(step.max, step.isLost);
        break;
      case 'restore':
        this.asked = undefined; // an answer of the former epoch may not come after one of the next
        source.restart(`r${(this.epochs += 1)}`, step.head);
        break;
    }
  }

  apply(max: number, isAnswerLost: boolean): void {
    const { track } = this;
    const batch = track.peek(max);
    if (batch.length === 0) return;
    const { epoch } = track.position;
    const list = this.applied.get(epoch) ?? [];
    this.applied.set(epoch, [...list, ...numbers(batch)]);
    this.committed = { epoch, sequence: batch.at(-1)!.sequence };
    if (isAnswerLost) track.rebase(this.committed);
    else track.applied(epoch, batch.at(-1)!.sequence);
  }

  /** What the feed does when nothing disturbs it any more. */
  settle(): void {
    this.track.takeHead(this.source.epoch, BigInt(this.source.head));
    for (let round = 0; round < 1_000; round += 1) {
      this.apply(5, false);
      if (this.track.isIncomplete && this.track.ready === 0) {
        const after = this.track.end;
        const page = this.source.page(after);
        this.track.takePage(page.epoch, page.facts, page.head, after);
      }
    }
  }
}

test('D2 any interleaving of runs, losses, repeats, heartbeats and restores ends level, each fact once, in order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const model = new Model();
      for (const step of steps) {
        model.run(step);
        expect(model.track.buffered).toBeLessThanOrEqual(ROOM + PAGE);
      }
      model.settle();
      expect(model.track.lag).toBe(0);
      expect(model.applied.get(model.source.epoch) ?? []).toEqual(numbers(facts(1, model.source.head)));
      for (const [, list] of model.applied) expect(list).toEqual(numbers(facts(1, list.length)));
    }),
    { numRuns: 500 },
  );
});

const track = (sequence = 10n): ShardTrack => {
  const made = new ShardTrack(0, 1n, { epoch: 'a', sequence });
  made.takeHead('a', sequence);
  return made;
};

test('A7 a run behind a gap is kept and joins when the gap is filled', () => {
  const shard = track();
  expect(shard.offerRun('a', facts(15, 17), ROOM)).toBe('gap');
  expect(shard.isIncomplete).toBe(true);
  shard.takePage('a', facts(11, 14), 17n, 10n);
  expect(shard.isIncomplete).toBe(false);
  expect(numbers(shard.peek(100))).toEqual([11, 12, 13, 14, 15, 16, 17]);
});

test('A7 without room a run is let go and known to be missing', () => {
  const shard = track();
  expect(shard.offerRun('a', facts(11, 20), 5)).toBe('full');
  expect([shard.buffered, shard.isIncomplete, shard.lag]).toEqual([0, true, 10]);
});

test('A7 another epoch in a message changes nothing; from the source it starts the shard again', () => {
  const shard = track();
  shard.offerRun('a', facts(11, 12), ROOM);
  expect(shard.offerRun('b', facts(1, 3), ROOM)).toBe('foreign');
  expect(shard.offerHead('b', 3n)).toBe(false);
  expect(numbers(shard.peek(9))).toEqual([11, 12]);
  expect(shard.takeHead('b', 3n)).toBe(true);
  expect([shard.ready, shard.end, shard.isIncomplete]).toEqual([0, 0n, true]);
  shard.applied('a', 12n); // the batch of the former epoch comes back
  expect(shard.position).toEqual({ epoch: 'b', sequence: 0n });
});

test('A7 what the source no longer has is skipped only when two answers agree', () => {
  const shard = track();
  expect(shard.takePage('a', facts(21, 23), 23n, 10n)).toBeUndefined();
  expect(shard.ready).toBe(0);
  expect(shard.takePage('a', facts(21, 23), 23n, 10n)).toEqual({ from: 11n, to: 20n });
  expect(numbers(shard.peek(9))).toEqual([21, 22, 23]);

  const empty = track();
  expect(empty.takePage('a', [], 30n, 10n)).toBeUndefined();
  expect(empty.takePage('a', [], 30n, 10n)).toEqual({ from: 11n, to: 30n });
  expect([empty.lag, empty.isIncomplete]).toEqual([0, false]);
});

test('A7 an answer that was asked for before the shard went back says nothing about what is missing', () => {
  const shard = track();
  shard.takePage('a', facts(11, 14), 30n, 10n);
  shard.rebase({ epoch: 'a', sequence: 5n });
  for (let times = 0; times < 2; times += 1)
    expect(shard.takePage('a', facts(15, 17), 30n, 14n)).toBeUndefined();
  expect([shard.ready, shard.end, shard.isIncomplete]).toEqual([0, 5n, true]);
  shard.takePage('a', facts(6, 9), 30n, 5n);
  expect(numbers(shard.peek(9))).toEqual([6, 7, 8, 9]);
});
