import {
  AppendResult_Outcome as Outcome,
  type AppendRequest,
  type IntakeRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { type Clock, SystemClock } from '@posthorn/clock/clock.js';
import { Duplex } from 'node:stream';
import { APPEND_LIMITS, AppendClient, type AppendLimits } from './append.client.js';

/** The far end of a stream, by hand. */
class FakeStream extends Duplex {
  readonly sent: AppendRequest[] = [];
  constructor() {
    super({ objectMode: true, writableHighWaterMark: 1000, emitClose: true });
  }
  override _write(message: AppendRequest, _encoding: string, done: () => void): void {
    this.sent.push(message);
    this.emit('sent');
    done();
  }
  override _read(): void {}
  answer(at: number, ...outcomes: Outcome[]): void {
    this.push({
      batch: this.sent[at]!.batch,
      results: outcomes.map((outcome) => ({
        outcome,
        eventsStored: 1,
        eventsDuplicate: 0,
        optOutsInForce: false,
        detail: '',
      })),
    });
  }
}

const request = (rawBytes = 10): IntakeRequest =>
  ({ raw: Buffer.alloc(rawBytes), events: [] }) as unknown as IntakeRequest;
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

function client(limits: Partial<AppendLimits> = {}, clock: Clock = new SystemClock()) {
  const streams: FakeStream[] = [];
  const seen = { waiting: 0, up: [] as boolean[] };
  const away = { isAway: false };
  const append = new AppendClient(
    () => {
      if (away.isAway) return Promise.reject(new Error('away'));
      const stream = new FakeStream();
      streams.push(stream);
      return Promise.resolve(stream as Duplex);
    },
    clock,
    {
      batchSent: () => {},
      waiting: (count) => (seen.waiting = count),
      connected: (isUp) => seen.up.push(isUp),
      broken: () => {},
    },
    { ...APPEND_LIMITS, ...limits },
  );
  append.onApplicationBootstrap();
  return { append, streams, seen, away };
}

test('A3 requests that arrive together share a batch, and a full pipe collects larger ones', async () => {
  const { append, streams } = client({ batchesInFlightMax: 1, batchRequestsMax: 3 });
  const first = [append.append(request()), append.append(request())];
  await turn();
  const later = Array.from({ length: 5 }, () => append.append(request()));
  await turn();
  expect(streams[0]!.sent.map(({ requests }) => requests.length)).toEqual([2]);
  streams[0]!.answer(0, Outcome.OUTCOME_STORED, Outcome.OUTCOME_DUPLICATE);
  expect(await Promise.all(first)).toMatchObject([{ isDuplicate: false }, { isDuplicate: true }]);
  await turn();
  streams[0]!.answer(1, ...Array<Outcome>(3).fill(Outcome.OUTCOME_STORED));
  await turn();
  expect(streams[0]!.sent.map(({ requests }) => requests.length)).toEqual([2, 3, 2]);
  streams[0]!.answer(2, Outcome.OUTCOME_STORED, Outcome.OUTCOME_STORED);
  await Promise.all(later);
});

test('A4 one item refused or unavailable does not touch its neighbours', async () => {
  const { append, streams } = client();
  const results = Promise.allSettled([1, 2, 3, 4].map(() => append.append(request())));
  await turn();
  streams[0]!.answer(0, Outcome.OUTCOME_STORED, Outcome.OUTCOME_REFUSED, Outcome.OUTCOME_UNAVAILABLE);
  expect(await results).toMatchObject([
    { value: { isDuplicate: false } },
    { reason: { code: 'request.invalid' } },
    { reason: { code: 'store.unavailable' } },
    { reason: { code: 'store.unavailable' } }, // no result came for it
  ]);
});

test('A4 a batch holds no more bytes than its cap, except for one large request alone', async () => {
  const { append, streams } = client({ batchesInFlightMax: 4, batchBytesMax: 1000 });
  const all = [900, 900, 5000, 10].map((bytes) => append.append(request(bytes)));
  await turn();
  expect(streams[0]!.sent.map(({ requests }) => requests.length)).toEqual([1, 1, 1, 1]);
  [0, 1, 2, 3].forEach((at) => streams[0]!.answer(at, Outcome.OUTCOME_STORED));
  await Promise.all(all);
});

test('A4 what waits is bounded by number and by bytes; more is refused at once', async () => {
  const { append } = client({ batchesInFlightMax: 0, waitingRequestsMax: 2, deadlineMs: 60 });
  const waiting = Promise.allSettled([append.append(request()), append.append(request())]);
  await expect(append.append(request())).rejects.toMatchObject({
    code: 'store.overloaded',
    retryAfterMs: 1000,
  });
  expect(await waiting).toMatchObject([
    { reason: { code: 'service.deadline' } },
    { reason: { code: 'service.deadline' } },
  ]);
  const small = client({ waitingBytesMax: 500 }).append;
  await expect(small.append(request(400))).rejects.toMatchObject({ code: 'store.overloaded' });
});

test('A4 a broken stream answers all in flight, keeps what waits, and the next stream takes it', async () => {
  const { append, streams, seen } = client({ batchesInFlightMax: 1 });
  const flying = append.append(request());
  await turn();
  const waiting = append.append(request());
  await turn();
  streams[0]!.destroy(new Error('cut'));
  await expect(flying).rejects.toMatchObject({ code: 'store.unavailable', detail: 'outcome unknown' });
  await turn();
  expect(streams[1]!.sent).toHaveLength(1);
  streams[1]!.answer(0, Outcome.OUTCOME_STORED);
  await waiting;
  expect(seen.up).toEqual([true, false, true]);
});

test('A4 no answer in time: unknown outcome; a silent stream is replaced; a late answer is harmless', async () => {
  const { append, streams } = client({ deadlineMs: 50, silenceMs: 120 });
  const stalled = append.append(request());
  await expect(stalled).rejects.toMatchObject({ code: 'service.deadline', detail: 'outcome unknown' });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(streams.length).toBe(2);
  const other = append.append(request());
  await turn();
  streams[1]!.answer(0, Outcome.OUTCOME_STORED);
  await other;
  streams[1]!.answer(0, Outcome.OUTCOME_STORED);
});

// A turn that reads hundreds of requests lets no timer run: without this, answers were late by as much as it took.
test('A4 what is out of time is answered in a turn that takes more, without a timer', async () => {
  let nowMs = 0;
  const { append } = client({}, { nowMs: () => nowMs, monotonicMs: () => nowMs });
  const answered: string[] = [];
  const take = (name: string): void =>
    void append.append(request()).catch(({ code }: { code: string }) => answered.push(`${name} ${code}`));
  take('first');
  nowMs = 10;
  take('second');
  nowMs = APPEND_LIMITS.deadlineMs;
  take('third');
  await Promise.resolve().then().then();
  expect(answered).toEqual(['first service.deadline']);
  nowMs += 30;
  take('fourth');
  await Promise.resolve().then().then();
  expect(answered).toEqual(['first service.deadline', 'second service.deadline']);
  await turn();
  nowMs += APPEND_LIMITS.silenceMs;
  await append.onApplicationShutdown();
});

test('A2 shutdown waits for what is under way', async () => {
  const { append, streams } = client();
  const last = append.append(request());
  await turn();
  const down = append.onApplicationShutdown();
  streams[0]!.answer(0, Outcome.OUTCOME_STORED);
  await Promise.all([last, down]);
  await expect(append.append(request())).rejects.toMatchObject({ code: 'store.overloaded' });
});

test('I3 a stream that has aged gives way without losing an answer, and ends once it has given them all', async () => {
  // Would break: with every move of a stream some providers would hear 503, and come again.
  const { append, streams, seen } = client({ batchesInFlightMax: 2 });
  const flying = append.append(request());
  await turn();
  streams[0]!.emit('aged');
  await turn();
  const later = append.append(request());
  await turn();
  expect(streams.map(({ sent }) => sent.length)).toEqual([1, 1]);
  expect(streams[0]!.writableEnded).toBe(false);
  streams[0]!.answer(0, Outcome.OUTCOME_STORED);
  streams[1]!.answer(0, Outcome.OUTCOME_STORED);
  expect(await Promise.all([flying, later])).toMatchObject([{ eventsStored: 1 }, { eventsStored: 1 }]);
  expect([streams[0]!.writableEnded, streams[1]!.writableEnded]).toEqual([true, false]);
  expect(seen.up).toEqual([true]);
  streams[0]!.destroy();
  await turn();
  expect(streams).toHaveLength(2);
});

test('I3 an aged stream that breaks answers its own only; one without a successor serves on', async () => {
  const { append, streams, away } = client({ batchesInFlightMax: 2 });
  await turn();
  away.isAway = true;
  streams[0]!.emit('aged');
  await turn();
  const flying = append.append(request());
  await turn();
  expect(streams[0]!.sent).toHaveLength(1);
  away.isAway = false;
  await new Promise((resolve) => setTimeout(resolve, 1_050)); // the next try to find a successor
  expect(streams).toHaveLength(2);
  const later = append.append(request());
  await turn();
  streams[0]!.destroy(new Error('cut'));
  await expect(flying).rejects.toMatchObject({ code: 'store.unavailable', detail: 'outcome unknown' });
  streams[1]!.answer(0, Outcome.OUTCOME_STORED);
  await expect(later).resolves.toMatchObject({ eventsStored: 1 });
  expect(streams).toHaveLength(2);
});

test('I3 an aged stream that falls silent is cut alone, and what waited for its answer goes to its successor', async () => {
  const { append, streams } = client({ silenceMs: 100 });
  const flying = append.append(request());
  await turn();
  streams[0]!.emit('aged');
  await turn();
  const later = append.append(request());
  await expect(flying).rejects.toMatchObject({ code: 'store.unavailable', detail: 'outcome unknown' });
  await turn();
  expect(streams.map(({ destroyed, sent }) => [destroyed, sent.length])).toEqual([
    [true, 1],
    [false, 1],
  ]);
  streams[1]!.answer(0, Outcome.OUTCOME_STORED);
  await expect(later).resolves.toMatchObject({ eventsStored: 1 });
});
