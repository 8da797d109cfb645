import { formatId, newUuid } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { clock, CommandHouse, type requestOf, type Running } from './commands.fixture.js';
import { FakeEndpoint } from './provider-fakes.fixture.js';

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeEndpoint;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;

beforeAll(async () => {
  house = await CommandHouse.open('recipients');
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

const ask = (fields: Parameters<typeof requestOf>[0] = {}) =>
  dispatcher.create({ tenantId: tenant.id, sourceId, ...fields });

const reached = (id: string, state: string) =>
  eventually(async () => {
    const command = await dispatcher.get(tenant.id, id);
    expect(command.state).toBe(state);
    return command;
  });

test('E1 what is no whole phone number is refused, so that nobody is written to under a second name; a rule repeats what its event said', async () => {
  for (const to of ['4155550100', '(415) 555-0100', '+14155550100x1', '+1415\u20115550100']) {
    await expect(ask({ to, channel: 'sms' })).rejects.toMatchObject({
      code: 'request.invalid',
      fields: [{ path: 'to', message: expect.stringContaining('international form') as unknown }],
    });
  }
  const rule = formatId('rul', newUuid(clock.nowMs()));
  const event = formatId('evt', newUuid(clock.nowMs()));
  const { command } = await ask({ to: '436641234567', ruleId: rule, triggerEventId: event });
  await reached(command!.id, 'sent');
});

test('E1 nothing is sent through a source that is disabled: nobody would hear its STOPs', async () => {
  const disabled = house.addSource(tenant.id, provider, { status: 'disabled' });
  await house.config.settled();
  await expect(ask({ sourceId: disabled })).rejects.toMatchObject({
    code: 'source.cannot_send',
  });
});

// Who may name any conversation reads one person's messages in another's, and writes past the person who claimed theirs.
test('D5 D6 a reply goes into a conversation with its own recipient only', async () => {
  const replyTo = formatId('cnv', newUuid(clock.nowMs()));
  const reply = () => ask({ replyTo });
  house.events.owner = { contact: 'unknown' };
  await expect(reply()).rejects.toMatchObject({ code: 'conversation.not_found' });
  house.events.owner = { contact: 'other' };
  await expect(reply()).rejects.toMatchObject({ code: 'request.invalid', fields: [{ path: 'replyTo' }] });
  house.events.owner = { contact: 'same' };
  const { command } = await reply();
  expect((await reached(command!.id, 'sent')).conversationId).toBe(replyTo);
});
