import { jest } from '@jest/globals';
import { AppError } from '@posthorn/errors/app-error.js';
import { type OutgoingLink, OutgoingRelay } from './outgoing-relay.js';

interface Row {
  readonly number: bigint;
}

/** Rows 1 to `numbered`, and a log that takes them. */
class Rows implements OutgoingLink<Row> {
  numbered = 0n;
  relayedThrough = 0n;
  isHeld = true;
  readonly taken: bigint[] = [];
  readonly depths: number[] = [];
  refused = 0;
  /** Rejects, or takes fewer. */
  answer: (rows: readonly Row[]) => Promise<bigint> = (rows) => Promise.resolve(rows.at(-1)!.number);

  isMine = (): boolean => this.isHeld;
  counters = () => Promise.resolve({ numbered: this.numbered, relayed: this.relayedThrough });
  page = (after: bigint, limit: number) =>
    Promise.resolve(
      Array.from({ length: Math.min(limit, Number(this.numbered - after)) }, (_, index) => ({
        number: after + BigInt(index) + 1n,
      })),
    );
  append = async (rows: readonly Row[]): Promise<bigint> => {
    const through = await this.answer(rows);
    this.taken.push(...rows.map(({ number }) => number).filter((number) => number <= through));
    return through;
  };
  relayed = (through: bigint): Promise<void> => {
    this.relayedThrough = through;
    return Promise.resolve();
  };
  onDepth = (rows: number): void => void this.depths.push(rows);
  onRefusedRow = (): void => void (this.refused += 1);
}

let rows: Rows;
let wake: () => void;
let relay: OutgoingRelay<Row>;
beforeEach(() => {
  rows = new Rows();
  const silent = { warn: () => undefined, error: () => undefined };
  relay = new OutgoingRelay(rows, { onWake: (listener) => (wake = listener) }, silent);
});
afterEach(() => relay.stop());

/** Turns of the event loop until something holds. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((next) => setImmediate(next));
}
const upTo = (last: number): bigint[] => Array.from({ length: last }, (_, index) => BigInt(index + 1));

test('C3 every number goes to the log in order, page after page, and again from where the log stopped', async () => {
  rows.numbered = 1_200n;
  let asked = 0;
  rows.answer = (page) => Promise.resolve((asked += 1) === 1 ? 7n : page.at(-1)!.number);
  relay.onApplicationBootstrap();
  await until(() => rows.relayedThrough === 1_200n);
  expect(rows.taken).toEqual(upTo(1_200));
  expect(rows.depths.slice(0, 2)).toEqual([1_200, 1_193]);
});

test('a wake ends the pause, and whoever does not hold the lane relays nothing', async () => {
  rows.isHeld = false;
  rows.numbered = 2n;
  relay.onApplicationBootstrap();
  await until(() => rows.depths.length === 1);
  expect(rows.depths).toEqual([0]);
  rows.isHeld = true;
  wake();
  await until(() => rows.relayedThrough === 2n);
  expect(rows.taken).toEqual([1n, 2n]);
});

test('what is told soon after a page shares the next one', async () => {
  // Would break: while people say STOP, each of them would cost four round trips more.
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
  try {
    const pages: number[] = [];
    rows.answer = (page) => {
      pages.push(page.length);
      return Promise.resolve(page.at(-1)!.number);
    };
    rows.numbered = 1n;
    relay.onApplicationBootstrap();
    await until(() => rows.relayedThrough === 1n);
    for (const told of [2n, 3n, 4n, 5n]) {
      rows.numbered = told;
      wake();
      await new Promise((next) => setImmediate(next));
    }
    expect(pages).toEqual([1]);
    jest.advanceTimersByTime(25);
    await until(() => rows.relayedThrough === 5n);
    expect(pages).toEqual([1, 4]);
  } finally {
    jest.useRealTimers();
  }
});

test('G5 a row that can never be stored is counted and skipped; a log that is away is asked again for the same', async () => {
  rows.numbered = 3n;
  const asked: bigint[] = [];
  rows.answer = (page) => {
    asked.push(page[0]!.number);
    if (page[0]!.number === 1n) return Promise.reject(new AppError('request.invalid'));
    if (asked.length === 2) return Promise.reject(new AppError('service.unavailable'));
    return Promise.resolve(3n);
  };
  relay.onApplicationBootstrap();
  await until(() => rows.relayedThrough === 3n);
  expect([asked, rows.taken, rows.refused]).toEqual([[1n, 2n, 2n], [2n, 3n], 1]);
});

test('it stops after the page that is under way', async () => {
  let release = (): void => undefined;
  const free = new Promise<void>((done) => (release = done));
  rows.numbered = 900n;
  rows.answer = async (page) => {
    await free;
    return page.at(-1)!.number;
  };
  relay.onApplicationBootstrap();
  await until(() => rows.depths.length === 1);
  const stopped = relay.stop();
  release();
  await stopped;
  expect(rows.relayedThrough).toBe(500n);
});

test('a relay whose log is away stops at once', async () => {
  rows.numbered = 1n;
  let asked = 0;
  rows.answer = () => {
    asked += 1;
    return Promise.reject(new AppError('service.unavailable'));
  };
  relay.onApplicationBootstrap();
  await until(() => asked === 5); // the pause after it is at least 800 ms
  wake();
  const startMs = performance.now();
  await relay.stop();
  expect(performance.now() - startMs).toBeLessThan(700);
  expect(asked).toBe(5);
});
