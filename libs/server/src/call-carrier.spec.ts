import { Duplex } from 'node:stream';
import { Metadata, status } from '@grpc/grpc-js';
import { type CarryResponse } from '@posthorn/contracts/posthorn/calls/v1/calls.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { CallBook } from './call-book.js';
import { CallCarrier, type CarryStream } from './call-carrier.js';
import { CALLS_UNDER_WAY_MAX } from './call-streams.js';
import { openLogger } from './logger.js';
import { Metrics } from './metrics.js';
import { Tracer } from './trace.js';

const clock = new FakeClock();
const log = openLogger({ level: 'silent', clock, fields: {}, sink: { write: () => true } });
const tracer = new Tracer({ service: 's', instanceId: 'i', clock, sampleRatio: 0, endpoint: '' });

const carrier = () => new CallCarrier(new CallBook({ clock, log, tracer, metrics: new Metrics() }, []));

/** The server's side of a stream whose client reads only when told to. */
function stream(): { carried: CarryStream; sent: CarryResponse[]; read: () => void; errors: unknown[] } {
  const sent: CarryResponse[] = [];
  const errors: unknown[] = [];
  const waiting: (() => void)[] = [];
  let isReading = false;
  const duplex = new Duplex({
    objectMode: true,
    read: () => undefined,
    write(message: CarryResponse, _encoding, done) {
      const take = (): void => {
        sent.push(message);
        done();
      };
      if (isReading) take();
      else waiting.push(take);
    },
  });
  duplex.on('error', (error) => errors.push(error));
  const read = (): void => {
    isReading = true;
    for (const take of waiting.splice(0)) take();
  };
  return { carried: Object.assign(duplex, { metadata: new Metadata() }) as never, sent, read, errors };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('I3 a stream that comes while the server drains is told so', () => {
  // Would break: its client would keep it, and the server would wait for it as long as calls may take.
  const draining = carrier();
  draining.drain();
  const { carried, sent, read } = stream();
  read();
  draining.carry(carried);
  expect(sent).toEqual([{ answers: [], isDraining: true }]);
});

test('I3 a drain does not break off a stream that was ended, whose last answers are still on their way', async () => {
  const draining = carrier();
  const { carried, sent, read, errors } = stream();
  draining.carry(carried);
  carried.push({
    calls: [{ id: 7, method: '/none', request: Buffer.alloc(0), traceparent: '', tenantId: '' }],
  });
  carried.push(null);
  await turn();
  await turn();
  expect(carried.writableEnded).toBe(true);
  draining.drain();
  await turn();
  read();
  await turn();
  expect(errors).toEqual([]);
  expect(sent.flatMap(({ answers }) => answers.map(({ id }) => id))).toEqual([7]);
});

test('I8 what is more than a stream may have under way is refused, unseen by any handler', async () => {
  const { carried, sent, read } = stream();
  read();
  carrier().carry(carried);
  const call = { method: '/none', request: Buffer.alloc(0), traceparent: '', tenantId: '' };
  carried.push({ calls: Array.from({ length: CALLS_UNDER_WAY_MAX + 1 }, (_, id) => ({ ...call, id })) });
  await turn();
  await turn();
  const answers = sent.flatMap((message) => message.answers);
  const refused = answers.filter((answer) => answer.status === status.UNAVAILABLE).map(({ id }) => id);
  expect(answers).toHaveLength(CALLS_UNDER_WAY_MAX + 1);
  expect(refused).toEqual([CALLS_UNDER_WAY_MAX]);
});
