import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { parseId } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CommandHouse, type Running } from './commands.fixture.js';
import { FakeTwilio, type Fault } from './provider-fakes.fixture.js';

const SHARD = 1;

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeTwilio;
let intake: Server;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;
let facts = 0;

beforeAll(async () => {
  house = await CommandHouse.open('told twice');
  provider = await new FakeTwilio().start();
  tenant = house.addTenant('acme');
  intake = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      takeIn(new URL(request.url!, 'http://in.example'), Buffer.concat(chunks).toString());
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((done) => intake.once('listening', done));
  const publicUrl = `http://127.0.0.1:${(intake.address() as AddressInfo).port}/`;
  sourceId = house.config.setSource({
    ...{ tenantId: tenant.id, provider: 'twilio' },
    settingsJson: JSON.stringify({ apiBaseUrl: provider.url, publicUrl, sendsPerSecond: 1_000 }),
    credentialsJson: JSON.stringify({ accountSid: provider.accountSid, authToken: provider.authToken }),
  }).id;
  dispatcher = await house.start();
  await house.config.settled();
}, 60_000);
afterAll(async () => {
  await house.close();
  await provider.stop();
  await new Promise((done) => intake.close(done));
});

/** Intake and projection in one. The log takes a callback that is repeated once; here even the repeat becomes a fact. */
function takeIn(url: URL, body: string): void {
  const form = new URLSearchParams(body);
  const state = form.get('MessageStatus')!;
  facts += 1;
  house.events.facts.add(SHARD, {
    ...{ tenantId: tenant.uuid, sourceId: parseId('src', sourceId)!, provider: 'twilio' },
    messageId: parseId('msg', url.searchParams.get('posthorn-message')!)!,
    ...{ type: `message.${state}`, state, providerMessageId: form.get('MessageSid')! },
  });
}

const areApplied = (): Promise<void> =>
  eventually(
    async () => {
      const { rows } = await house.db.query<{ sequence: string }>(
        `SELECT fact_sequence::text AS sequence FROM dispatch.shard WHERE shard = ${SHARD}`,
      );
      expect(rows).toEqual([{ sequence: String(facts) }]);
    },
    { timeoutMs: 10_000 },
  );

test.each<[string, Omit<Extract<Fault, { kind: 'answer_twice' }>, 'kind' | 'status'>]>([
  ['one callback comes twice', { as: 'one_message' }],
  ['one callback comes twice, and the answer never', { as: 'one_message', isAnswerLost: true }],
  ['two messages are reported', { as: 'two_messages' }],
  ['two messages are reported, and the answer gets lost', { as: 'two_messages', isAnswerLost: true }],
])('C3 F8 one message, one effect: %s', async (_name, fault) => {
  provider.accepted.length = provider.callbacks.length = house.compliance.asked.length = 0;
  let requests = 0;
  provider.onSend = () => (requests += 1);
  provider.faults.push({ kind: 'answer_twice', status: 'delivered', ...fault });
  const { command } = await dispatcher.create({ tenantId: tenant.id, sourceId });
  const id = command!.id;
  await eventually(() => expect(provider.callbacks.length).toBeGreaterThan(0));
  expect((await Promise.all(provider.callbacks)).flat()).toEqual([204, 204]);
  await areApplied();

  const sent = await eventually(async () => {
    const found = await dispatcher.get(tenant.id, id);
    expect(found.state).toBe('sent');
    return found;
  });
  const [first, ...others] = provider.accepted.map((taken) => taken.id);
  expect(others).toHaveLength(fault.as === 'two_messages' ? 1 : 0);
  if (fault.isAnswerLost === true) expect([first, ...others]).toContain(sent.providerMessageId);
  else expect(sent.providerMessageId).toBe(first);
  expect([requests, house.compliance.asked.length, sent.attempts.length]).toEqual([1, 1, 1]);
  await eventually(async () => {
    const { rows: waiting } = await house.db.query('SELECT number FROM dispatch.outgoing');
    expect(waiting).toEqual([]);
  });
  const told = house.events.of(id).map(({ type }) => type);
  expect(told.filter((type) => type !== 'message.indeterminate')).toEqual([
    ...['message.accepted', 'message.sending', 'message.sent'],
  ]);
});
