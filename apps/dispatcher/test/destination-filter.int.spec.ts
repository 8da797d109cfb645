import { formatId, uuidOfId } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { dispatchDatabase, Dispatcher, HandMadeConfig, HandMadeFacts } from './dispatcher.fixture.js';
import { Sink } from './sink.fixture.js';

const SHARD = 7;
let database: TestDatabase;
let sink: Sink;
const config = new HandMadeConfig();
const facts = new HandMadeFacts();
let dispatcher: Dispatcher;

beforeAll(async () => {
  database = await dispatchDatabase('filters');
  sink = new Sink();
  await sink.start();
  dispatcher = new Dispatcher(database, config, facts);
  dispatcher.start();
});
afterAll(async () => {
  await dispatcher.stop();
  await sink.stop();
  await database.drop();
});

test('F2 of what it subscribed to, a destination gets what its filter lets through, from the next fact on', async () => {
  const tenant = config.addTenant('acme');
  const type = 'message.failed';
  const add = (channel: string, errorCode: string): string => {
    const fact = facts.add(SHARD, { tenantId: tenant.uuid, type, channel, errorCode });
    return formatId('fct', fact.factId);
  };
  const subscribe = (path: string, filter: object) =>
    config.setDestination({
      ...{ tenantId: tenant.id, url: `${sink.url}/${path}`, eventTypes: [type] },
      filterJson: JSON.stringify(filter),
    });
  subscribe('all', {});
  subscribe('texts', { channel: ['sms', 'whatsapp'] });
  const narrow = subscribe('narrow', { channel: ['sms'], errorCode: ['21610'] });
  const [stopped, gone, mail] = [add('sms', '21610'), add('whatsapp', '131026'), add('email', '550')];
  await eventually(() => expect(sink.ids('/all')).toEqual(expect.arrayContaining([stopped, gone, mail])));
  await eventually(() => expect([...sink.ids('/texts')].sort()).toEqual([stopped, gone].sort()));
  await eventually(() => expect(sink.ids('/narrow')).toEqual([stopped]));
  // What it does not want is no delivery of it, so that nothing waits, dies or is counted.
  const { rows } = await database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM dispatch.delivery WHERE destination_id::text = $1`,
    [uuidOfId('dst', narrow.id)],
  );
  expect(rows[0]!.count).toBe(1);
  config.setDestination({ ...narrow, filterJson: '{"channel":["email"]}' });
  const later = add('email', '550');
  await eventually(() => expect([...sink.ids('/narrow')].sort()).toEqual([stopped, later].sort()));
});
