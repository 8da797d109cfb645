import { newUuid, parseId } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CommandHouse, type Running } from './commands.fixture.js';
import { FakeEndpoint } from './provider-fakes.fixture.js';

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeEndpoint;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;

/** In so long facts are read: that one resolves nothing can only be waited for. */
const LOOKS_MS = 1_500;

beforeAll(async () => {
  house = await CommandHouse.open('receipts');
  provider = await new FakeEndpoint().start();
  tenant = house.addTenant('acme');
  sourceId = house.addSource(tenant.id, provider);
  dispatcher = await house.start();
  await house.config.settled();
}, 60_000);
afterAll(async () => {
  await house.close();
  await provider.stop();
});

const reached = (id: string, state: string) =>
  eventually(
    async () => {
      const command = await dispatcher.get(tenant.id, id);
      expect(command.state).toBe(state);
      return command;
    },
    { timeoutMs: 10_000 },
  );

test('F8 what only our reference names resolves it too; that we wait, and what nobody vouches for, do not', async () => {
  // Would break: a push whose answer got lost would wait for a person, although the app has shown it.
  provider.faults.push({ kind: 'drop_answer' });
  const { id } = (await dispatcher.create({ tenantId: tenant.id, sourceId })).command!;
  await reached(id, 'indeterminate');
  const source = parseId('src', sourceId)!;
  const receipt = {
    ...{ tenantId: tenant.uuid, messageId: parseId('msg', id)!, providerMessageId: '' },
    ...{ provider: 'fcm', state: 'read', type: 'message.read' },
  };
  house.events.facts.add(3, { ...receipt, sourceId: newUuid(1) });
  house.events.facts.add(3, { ...receipt, sourceId: source, unverified: true });
  house.events.facts.add(3, { ...receipt, sourceId: source, provider: 'events', type: 'message.unknown' });
  await new Promise((resolve) => setTimeout(resolve, LOOKS_MS));
  expect((await dispatcher.get(tenant.id, id)).state).toBe('indeterminate');
  house.events.facts.add(3, { ...receipt, sourceId: source });
  const command = await reached(id, 'sent');
  expect(command).toMatchObject({ providerMessageId: '', isWaitingForPerson: false });
  // A permit that came too late for its send is asked for again: such an attempt never left.
  expect(command.attempts.filter(({ outcome }) => outcome !== 'not_sent')).toHaveLength(1);
  expect(provider.accepted).toHaveLength(1);
  await eventually(() => expect(house.events.of(id).at(-1)!.type).toBe('message.sent'));
});
