import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import type { DescribeHandoffResponse } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { Webhook } from 'standardwebhooks';
import { dispatchDatabase, Dispatcher, HandMadeConfig, HandMadeFacts } from './dispatcher.fixture.js';
import { Sink } from './sink.fixture.js';

const CLOCK = new SystemClock();
const SHARD = 7;
const FLAT_BYTES_MAX = 4_096;
const ESCALATED = 'conversation.escalated';

let [database, sink, config, facts, dispatcher] = [] as unknown as [
  TestDatabase,
  Sink,
  HandMadeConfig,
  HandMadeFacts,
  Dispatcher,
];

beforeAll(async () => {
  database = await dispatchDatabase('handoffs');
  sink = new Sink();
  await sink.start();
  config = new HandMadeConfig();
  facts = new HandMadeFacts();
  dispatcher = new Dispatcher(database, config, facts).start();
});
afterAll(async () => {
  await dispatcher.stop();
  await sink.stop();
  await database.drop();
});
beforeEach(() => {
  sink.received.length = 0;
  sink.answer = () => undefined;
});

/** A tenant of its own with one destination. */
let next = 0;
function deskOf(include: string[], fields: object = {}) {
  next += 1;
  const tenant = config.addTenant(`desk${next}`);
  const path = `/desk${next}`;
  const url = `${sink.url}${path}`;
  const destination = config.setDestination({ tenantId: tenant.id, url, include, ...fields });
  const bodies = () =>
    sink.received
      .filter((one) => one.path === path)
      .map(
        ({ body, headers }) =>
          new Webhook(destination.secrets[0]!.value).verify(body, headers as Record<string, string>) as {
            readonly type: string;
            readonly data: Record<string, unknown>;
          },
      );
  const add = (type: string, eventId = newUuid(CLOCK.nowMs())) =>
    facts.add(SHARD, { tenantId: tenant.uuid, type, eventId, messageId: Buffer.alloc(0) });
  return { tenant, path, destination, bodies, add };
}

const outcomesOf = async ({ tenant }: { tenant: { uuid: Buffer } }): Promise<string[]> => {
  const { rows } = await database.query<{ outcome: string }>(
    'SELECT outcome FROM dispatch.attempt WHERE tenant_id = $1',
    [tenant.uuid.toString('hex')],
  );
  return rows.map(({ outcome }) => outcome);
};

const FLAT = { version: 1, lastMessage: 'x'.repeat(3_900) };
const PACKAGE = { version: 1, history: { messages: [{ text: 'My parcel is gone' }] } };
const toldOf = (eventId: Buffer, over: Partial<DescribeHandoffResponse> = {}): DescribeHandoffResponse => ({
  handoffId: formatId('evt', eventId),
  isErased: false,
  packageJson: JSON.stringify(PACKAGE),
  flatJson: JSON.stringify(FLAT),
  ...over,
});

test('D6 the context package arrives inside of what is signed, flat within 4 KiB, only where it was asked for', async () => {
  const asked: [Buffer, Buffer][] = [];
  facts.describeHandoff = (tenantId, eventId) => {
    asked.push([tenantId, eventId]);
    return Promise.resolve(toldOf(eventId));
  };
  const [full, flat, lean] = [deskOf(['handoff']), deskOf(['handoff.flat']), deskOf([])];
  await config.settled();
  const [ofFull, ofFlat] = [full, flat, lean].map((desk) => desk.add(ESCALATED));
  full.add('message.received');
  await eventually(() => expect([full, flat, lean].map(({ bodies }) => bodies().length)).toEqual([2, 1, 1]));
  const ofType = (wanted: string) => full.bodies().find(({ type }) => type === wanted)!.data;
  expect(ofType(ESCALATED)['handoff']).toEqual({ id: formatId('evt', ofFull!.eventId), package: PACKAGE });
  expect(ofType('message.received')).not.toHaveProperty('handoff');
  const { handoff } = flat.bodies()[0]!.data as { handoff: { flat: object } };
  expect(handoff).toEqual({ id: formatId('evt', ofFlat!.eventId), flat: FLAT });
  expect(Buffer.byteLength(JSON.stringify(handoff.flat))).toBeLessThanOrEqual(FLAT_BYTES_MAX);
  expect(lean.bodies()[0]!.data).not.toHaveProperty('handoff');
  expect(asked).toHaveLength(2);
  expect(asked).toContainEqual([full.tenant.uuid, ofFull!.eventId]);
});

test('D6 F3 while it cannot be had nothing is posted and the destination is not blamed; every try has the same ID', async () => {
  // Would break: a desk gets a hand-off without its context, or none at all, because events restarted.
  const HANDOFFS = 12; // more failures in a row than a breaker takes
  const desk = deskOf(['handoff'], { maxAttempts: 50 });
  let isAway = true;
  facts.describeHandoff = (_tenantId, eventId) =>
    isAway ? Promise.reject(new AppError('service.unavailable')) : Promise.resolve(toldOf(eventId));
  let refusals = 0;
  await config.settled();
  const made = Array.from({ length: HANDOFFS }, () => desk.add(ESCALATED));
  await eventually(async () => expect((await outcomesOf(desk)).length).toBeGreaterThanOrEqual(2 * HANDOFFS));
  expect(new Set(await outcomesOf(desk))).toEqual(new Set(['content_unavailable']));
  expect(desk.bodies()).toEqual([]);
  expect(dispatcher.deliveries.depths.breakers).toBe(0);
  desk.add('message.received');
  await eventually(() => expect(desk.bodies().map(({ type }) => type)).toEqual(['message.received']));

  sink.answer = () => (refusals++ === 0 ? { status: 503 } : undefined);
  isAway = false;
  const ids = () => sink.ids(desk.path).slice(1);
  await eventually(() => expect(ids()).toHaveLength(HANDOFFS + 1));
  expect(new Set(ids())).toEqual(new Set(made.map(({ factId }) => formatId('fct', factId))));
  for (const { data } of desk.bodies().slice(1)) expect(data['handoff']).toMatchObject({ package: PACKAGE });
});

test('E6 E7 D6 of an erased person, and of a hand-off that is gone, the lean body is sent and says so', async () => {
  const desk = deskOf(['handoff', 'handoff.flat']);
  const nothing = { packageJson: '', flatJson: '' };
  const [erased, gone] = [newUuid(CLOCK.nowMs()), newUuid(CLOCK.nowMs())];
  facts.describeHandoff = (_tenantId, eventId) =>
    Promise.resolve(
      toldOf(
        eventId,
        eventId.equals(erased) ? { ...nothing, isErased: true } : { ...nothing, handoffId: '' },
      ),
    );
  await config.settled();
  desk.add('conversation.closed', erased);
  desk.add('conversation.closed', gone);
  await eventually(() => expect(desk.bodies()).toHaveLength(2));
  const parts = new Map(desk.bodies().map(({ data }) => [data['eventId'], data['handoff']]));
  expect(parts.get(formatId('evt', erased))).toEqual({ id: formatId('evt', erased), omitted: 'erased' });
  expect(parts.get(formatId('evt', gone))).toEqual({ omitted: 'not_found' });
});
