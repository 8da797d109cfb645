import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Metrics } from '@posthorn/server/metrics.js';
import type { EventAttributes, IntakeRequest } from '../domain/intake.js';
import type { Inserted } from '../persistence/append.store.js';
import { APPEND_LIMITS } from './append-limits.js';
import { AppendMetrics } from './append-metrics.js';
import { AppendRequests } from './append-requests.js';

const NONE = Buffer.alloc(0);
const request = (tenantId = newUuid(1)): IntakeRequest => ({
  requestId: newUuid(2),
  tenantId,
  sourceId: newUuid(3),
  provider: 'twilio',
  secretId: NONE,
  receivedAtMs: 1_700_000_000_000,
  dataKeyId: newUuid(4),
  raw: Buffer.from('raw'),
  traceparent: '',
  events: [
    {
      eventId: newUuid(5),
      dedupHash: newUuid(6),
      type: 'message.sent',
      shard: 1,
      personHash: NONE,
      occurredAtMs: 0,
      attributes: undefined,
      content: NONE,
    },
  ],
});

const STOP: EventAttributes = {
  ...{
    providerEventId: '',
    providerMessageId: 'SM1',
    channel: 'sms',
    direction: 'inbound',
    status: 'received',
  },
  ...{ providerStatus: '', errorCode: '', campaign: '', signal: 'opt_out', conversationHash: NONE },
  ...{ providerType: '', causedBy: NONE, note: '', messageId: NONE, replyToProviderMessageId: '' },
};

/** A store whose transactions end when the test says so. */
class HeldStore {
  readonly batches: {
    readonly requests: readonly IntakeRequest[];
    readonly end: (error?: unknown) => void;
  }[] = [];
  duplicates = 0;
  inForce: Inserted['inForce'];

  insert(requests: readonly IntakeRequest[]): Promise<Inserted> {
    return new Promise((resolve, reject) => {
      this.batches.push({
        requests,
        end: (error) =>
          error === undefined
            ? resolve({
                xid: 1n,
                duplicates: requests.map(() => this.duplicates),
                forgeries: new Set(),
                inForce: this.inForce,
              })
            : reject(error),
      });
    });
  }
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const silent = { debug: () => {}, warn: () => {} };

function setUp(limits = {}, log = silent) {
  const [store, clock] = [new HeldStore(), new FakeClock()];
  const woken: unknown[] = [];
  const append = new AppendRequests(
    store,
    { appended: (shards) => void woken.push([...shards]) },
    clock,
    log,
    new AppendMetrics(new Metrics()),
    { count: () => {} },
    { ...APPEND_LIMITS, ...limits },
  );
  return { store, clock, append, woken };
}

test('A3 what waits while the lanes are busy goes out as one batch', async () => {
  const { store, append, woken } = setUp();
  const answers = [append.run([request()])];
  await turn();
  answers.push(append.run([request()]));
  await turn();
  for (let n = 0; n < 300; n += 1) answers.push(append.run([request()]));
  await turn();
  expect(store.batches.map(({ requests }) => requests.length)).toEqual([1, 1]);
  store.batches[0]!.end();
  await turn();
  expect(store.batches.map(({ requests }) => requests.length)).toEqual([1, 1, 256]);
  store.batches[1]!.end();
  await turn();
  expect(store.batches[3]!.requests).toHaveLength(44);
  for (const batch of store.batches.slice(2)) batch.end();
  const outcomes = (await Promise.all(answers)).flat();
  expect(outcomes).toHaveLength(302);
  expect(outcomes.every(({ outcome }) => outcome === 'stored')).toBe(true);
  expect(woken).toEqual([[1], [1], [1], [1]]);
});

// If this failed, projection would rest for ever after a burst, or run against intake all the while.
test('A3 the pressure follows what is under way, and is gone soon after all of it is answered, however it ended', async () => {
  const { store, append, clock } = setUp({ waitingRequestsMax: 120 });
  expect(append.pressure).toBe('none');
  const one = append.run([request()]);
  await turn();
  expect(append.pressure).toBe('none');
  const some = append.run(Array.from({ length: 5 }, () => request()));
  expect(append.pressure).toBe('some');
  const many = append.run(Array.from({ length: 150 }, () => request()));
  expect(append.pressure).toBe('high');
  const bad = append.run([{ ...request(), tenantId: NONE }]);
  await turn();
  store.batches[0]!.end(new AppError('store.unavailable'));
  for (let at = 1; at < 4; at += 1) {
    store.batches[at]?.end();
    await turn();
  }
  const outcomes = new Set((await Promise.all([one, some, many, bad])).flat().map(({ outcome }) => outcome));
  expect(outcomes).toEqual(new Set(['stored', 'unavailable', 'refused']));
  // The next batch may come any moment.
  expect(append.pressure).toBe('high');
  clock.advance(50);
  expect(append.pressure).toBe('none');
});

// If this failed, projection would compete with compliance while senders of opt-outs wait for their answers.
test('A3 E1 opt-outs count as under way for a while after their commit', async () => {
  const { store, append, clock } = setUp();
  const optOut = request();
  const events = optOut.events.map((event) => ({ ...event, attributes: STOP }));
  const answers = append.run(Array.from({ length: 40 }, () => ({ ...optOut, events })));
  await turn();
  store.batches[0]!.end();
  await answers;
  clock.advance(60);
  expect(append.pressure).toBe('high');
  clock.advance(60);
  expect(append.pressure).toBe('none');
});

test('E1 what is in force with its commit is said so; of a copy, and where it is not known, it is not', async () => {
  const warnings: unknown[] = [];
  const { store, append, clock } = setUp({}, { ...silent, warn: (...line) => void warnings.push(line) });
  const outcomesOf = async (): Promise<boolean[]> => {
    const answer = append.run([request(), request(), request()]);
    await turn();
    store.batches.at(-1)!.end();
    return (await answer).map(({ areOptOutsInForce }) => areOptOutsInForce);
  };
  expect(await outcomesOf()).toEqual([false, false, false]);
  store.inForce = { requests: new Set([0, 2]) };
  expect(await outcomesOf()).toEqual([true, false, true]);
  store.duplicates = 1;
  expect(await outcomesOf()).toEqual([false, false, false]);
  store.duplicates = 0;
  store.inForce = { requests: new Set(), fault: new Error('no such function') };
  expect([...(await outcomesOf()), ...(await outcomesOf())]).toEqual(Array(6).fill(false));
  expect(warnings).toHaveLength(1);
  clock.advance(60_000);
  await outcomesOf();
  expect(warnings).toHaveLength(2);
});

test('B10 a tenant takes at most half of a batch while another waits', async () => {
  const { store, append } = setUp({ lanes: 1 });
  void append.run([request()]);
  await turn();
  const [flood, small] = [newUuid(1), newUuid(1)];
  void append.run(Array.from({ length: 600 }, () => request(flood)));
  void append.run(Array.from({ length: 128 }, () => request(small)));
  store.batches[0]!.end();
  await turn();
  const { requests } = store.batches[1]!;
  expect(requests.filter(({ tenantId }) => tenantId === flood)).toHaveLength(128);
  expect(requests.filter(({ tenantId }) => tenantId === small)).toHaveLength(128);
});

test('the answers stand in the order of the requests, refused ones too', async () => {
  const { store, append } = setUp();
  const answer = append.run([request(), { ...request(), events: [] }, request()]);
  await turn();
  store.batches[0]!.end();
  expect((await answer).map(({ outcome }) => outcome)).toEqual(['stored', 'refused', 'stored']);
});

test('A4 what does not fit is answered at once', async () => {
  const { append } = setUp({ waitingRequestsMax: 10 });
  const answers = await Promise.race([
    append.run(Array.from({ length: 10 }, () => request())),
    append.run([request(), request()]),
  ]);
  expect(answers.map(({ outcome }) => outcome)).toEqual(['unavailable', 'unavailable']);
});

test('A4 a commit that takes too long is answered as unavailable, and so is what comes while all lanes hang', async () => {
  const { store, append } = setUp({ lanes: 1, commitDeadlineMs: 5 });
  expect(await append.run([request()])).toMatchObject([{ outcome: 'unavailable' }]);
  expect(await append.run([request()])).toMatchObject([
    { outcome: 'unavailable', detail: 'too much is waiting' },
  ]);
  store.batches[0]!.end();
  await append.whenIdle();
  const later = append.run([request()]);
  await turn();
  store.batches[1]!.end();
  expect(await later).toMatchObject([{ outcome: 'stored' }]);
});

test('what waited too long is not begun any more', async () => {
  const { store, append, clock } = setUp({ lanes: 1 });
  void append.run([request()]);
  await turn();
  const late = append.run([request()]);
  clock.advance(APPEND_LIMITS.waitDeadlineMs + 1);
  store.batches[0]!.end();
  expect(await late).toMatchObject([{ outcome: 'unavailable' }]);
  expect(store.batches).toHaveLength(1);
});

test('A2 an unknown outcome is never answered as stored; a deadlock is tried again', async () => {
  const { store, append } = setUp();
  const unknown = append.run([request()]);
  await turn();
  store.batches[0]!.end(new AppError('store.unavailable', { detail: 'outcome unknown' }));
  expect(await unknown).toMatchObject([{ outcome: 'unavailable', detail: 'outcome unknown' }]);
  const deadlocked = append.run([request()]);
  await turn();
  const cause = Object.assign(new Error('deadlock'), { code: '40P01', severity: 'ERROR' });
  store.batches[1]!.end(new AppError('store.unavailable', { cause }));
  await turn();
  store.batches[2]!.end();
  expect(await deadlocked).toMatchObject([{ outcome: 'stored' }]);
});

test('three failures within two seconds make it not ready, for two seconds', async () => {
  const { store, append, clock } = setUp();
  for (let n = 0; n < 3; n += 1) {
    expect(append.isFailing).toBe(false);
    const answer = append.run([request()]);
    await turn();
    store.batches[n]!.end(new AppError('store.unavailable'));
    await answer;
  }
  expect(append.isFailing).toBe(true);
  clock.advance(2_000);
  expect(append.isFailing).toBe(false);
});
