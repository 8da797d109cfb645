import { eventually } from '@posthorn/testing/eventually.js';
import { analyzedByItsService } from '@posthorn/testing/grown-table.js';
import { clock, CommandHouse, type Running } from './commands.fixture.js';
import { FakeEndpoint } from './provider-fakes.fixture.js';

const SEEN = { timeoutMs: 20_000 };

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeEndpoint;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;

beforeAll(async () => {
  house = await CommandHouse.open('backlog');
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

async function metric(name: string): Promise<number> {
  const text = await dispatcher.process.metrics.text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line!.split(' ').at(-1));
}

async function send(fields: Parameters<Running['create']>[0] = {}): Promise<string> {
  const { command } = await dispatcher.create({ tenantId: tenant.id, sourceId, ...fields });
  return command!.id;
}
const reached = (id: string, state: string) =>
  eventually(async () => expect((await dispatcher.get(tenant.id, id)).state).toBe(state), SEEN);

test('H2 the first send of a campaign is measured, once for each campaign; what was scheduled, and none, are not', async () => {
  const count = () => metric('posthorn_campaign_activation_seconds_count');
  for (const fields of [{ campaign: 'spring' }, { campaign: 'spring' }, {}])
    await reached(await send(fields), 'sent');
  await reached(await send({ campaign: 'later', notBeforeMs: clock.nowMs() + 700 }), 'sent');
  expect(await count()).toBe(1);
  await reached(await send({ campaign: 'autumn' }), 'sent');
  expect(await count()).toBe(2);
});

test('H2 what a provider makes of sends is counted by provider', async () => {
  const text = await dispatcher.process.metrics.text();
  expect(text).toMatch(/^posthorn_provider_calls_total\{provider="generic",outcome="sent"\} [1-9]/m);
});

test('H2 the age of the oldest command that is due grows while nothing decides, and is nothing once it left', async () => {
  const oldest = () => metric('posthorn_commands_oldest_seconds');
  // Compliance says nothing: what is due is put off for a second, again and again, so its age is made here.
  house.compliance.decide = () => Promise.reject(new Error('silent'));
  const id = await send();
  const overdue = `UPDATE dispatch.command SET due_at = now() - interval '90 seconds' WHERE finished_at IS NULL`;
  await eventually(async () => {
    await house.db.query(overdue);
    expect(await oldest()).toBeGreaterThan(80);
  }, SEEN);
  house.compliance.decide = () => ({});
  await reached(id, 'sent');
  await eventually(async () => expect(await oldest()).toBe(0), SEEN);
});

test('a table that grows is analyzed by the service', async () => {
  // Would break: each new day, and each new installation, would get slower until autovacuum comes.
  await analyzedByItsService(house.db, 'dispatch');
});
