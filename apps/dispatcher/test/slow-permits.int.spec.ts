import { eventually } from '@posthorn/testing/eventually.js';
import { CommandHouse, type Running } from './commands.fixture.js';
import { FakeEndpoint } from './provider-fakes.fixture.js';

const [TENANTS, MESSAGES_EACH] = [3, 50];
const PERMIT_MS = 15;

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeEndpoint;

beforeAll(async () => {
  house = await CommandHouse.open('slow_permits');
  provider = await new FakeEndpoint().start();
  dispatcher = await house.start();
}, 60_000);
afterAll(async () => {
  await house.close();
  await provider.stop();
});

/** Compliance that is busy: one permit after the other, in the order in which they were asked for. */
function oneByOne(): () => Promise<object> {
  let last = Promise.resolve();
  return async () => {
    last = last.then(() => new Promise((done) => setTimeout(done, PERMIT_MS)));
    await last;
    return {};
  };
}

// Each of the places of three sources at once would wait for its permit longer than it is good for: nothing would be sent.
test('E2 F9 where permits are slow, fewer are asked for at once: what compliance can permit is sent', async () => {
  const lanes = Array.from({ length: TENANTS }, (_value, at) => {
    const { id: tenantId } = house.addTenant(`busy-${at}`);
    const sourceId = house.addSource(tenantId, provider);
    return { tenantId, sourceId };
  });
  await house.config.settled();
  house.compliance.decide = oneByOne();
  const wanted = Array.from({ length: MESSAGES_EACH }, () => lanes).flat();
  await Promise.all(wanted.map((lane) => dispatcher.create(lane)));
  await eventually(() => expect(provider.accepted).toHaveLength(wanted.length), { timeoutMs: 30_000 });
}, 60_000);
