import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseId } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, CommandHouse, requestOf } from './commands.fixture.js';
import { type Accepted, FakeTwilio } from './provider-fakes.fixture.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** The adapter's timeout, the permit and the margin: then nobody waits for an answer any more. */
const SETTLE_MS = 20_000;
const IN_FLIGHT = 12;

let house: CommandHouse;
let provider: FakeTwilio;
let child: ChildProcess | undefined;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;

beforeEach(async () => {
  house = await CommandHouse.open('commands restart');
  provider = await new FakeTwilio().start();
  tenant = house.addTenant('acme');
  sourceId = house.config.setSource({
    ...{ tenantId: tenant.id, provider: 'twilio' },
    settingsJson: JSON.stringify({ apiBaseUrl: provider.url, sendsPerSecond: 1_000 }),
    credentialsJson: JSON.stringify({ accountSid: provider.accountSid, authToken: provider.authToken }),
  }).id;
}, 60_000);
afterEach(async () => {
  child?.kill('SIGKILL');
  await house.close();
  await provider.stop();
}, 60_000);

/** Twilio takes the same message as often as it is sent; ours stands in the URL it calls back. */
const referenceOf = ({ callbackUrl }: Accepted): string =>
  new URL(callbackUrl).searchParams.get('posthorn-message') ?? '';
const taken = (): string[] => provider.accepted.map(referenceOf).sort();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('F8 kill -9 between the provider and the outcome: nothing is sent twice, all of it is resolved', async () => {
  const port = await freePort();
  const env = { ...process.env, ...house.environment(), GRPC_LISTEN: `127.0.0.1:${port}` };
  child = spawn(process.execPath, [MAIN], { env, stdio: 'inherit' });
  const api = house.client(`127.0.0.1:${port}`);
  // The provider takes them, and its answers never come; compliance says nothing on the others yet.
  for (let n = 0; n < IN_FLIGHT; n++) provider.faults.push({ kind: 'hang' });
  const create = (): Promise<string> =>
    eventually(
      async () =>
        (await api.commands.createMessage(requestOf({ tenantId: tenant.id, sourceId }), CALL)).command!.id,
      { timeoutMs: 20_000 },
    );
  const inFlight = await Promise.all(Array.from({ length: IN_FLIGHT }, create));
  await eventually(() => expect(provider.accepted).toHaveLength(IN_FLIGHT), { timeoutMs: 20_000 });
  house.compliance.decide = () => Promise.reject(new Error('down'));
  const waiting = await Promise.all(Array.from({ length: 4 }, create));
  child.kill('SIGKILL');
  await once(child, 'exit');
  api.close();

  house.compliance.decide = () => ({});
  const dispatcher = await house.start();
  const stateOf = async (id: string): Promise<string> => (await dispatcher.get(tenant.id, id)).state;
  const all = (ids: readonly string[], state: string, timeoutMs: number): Promise<void> =>
    eventually(async () => expect(await Promise.all(ids.map(stateOf))).toEqual(ids.map(() => state)), {
      timeoutMs,
    });
  await all(waiting, 'sent', SETTLE_MS);
  await all(inFlight, 'indeterminate', SETTLE_MS);
  const [reported, told] = [inFlight.slice(0, IN_FLIGHT / 2), inFlight.slice(IN_FLIGHT / 2)];
  for (const id of reported) {
    house.events.facts.add(1, {
      ...{ tenantId: tenant.uuid, messageId: parseId('msg', id)!, sourceId: parseId('src', sourceId)! },
      ...{
        provider: 'twilio',
        providerMessageId: provider.accepted.find((one) => referenceOf(one) === id)!.id,
      },
    });
  }
  const resolution = {
    outcome: 'sent',
    providerMessageId: '',
    actorId: 'key_1',
    reason: 'asked the provider',
  };
  for (const id of told)
    await dispatcher.commands.resolveMessage({ tenantId: tenant.id, id, ...resolution }, CALL);
  await all(inFlight, 'sent', 10_000);
  expect(taken()).toEqual([...inFlight, ...waiting].sort());
  await eventually(async () => {
    const { rows: left } = await house.db.query('SELECT number FROM dispatch.outgoing');
    expect(left).toEqual([]);
  });
  const numbers = [...house.events.appended.keys()].sort((a, b) => Number(a - b));
  expect(numbers).toEqual(numbers.map((_, index) => BigInt(index + 1)));
}, 90_000);

// Would break: sends stood still for as long as the dead process' lease lasts.
test('I5 what is started in the place of a killed dispatcher has its shards at once', async () => {
  const [grpc, health] = [await freePort(), await freePort()];
  const listen = { GRPC_LISTEN: `127.0.0.1:${grpc}`, HEALTH_LISTEN: `127.0.0.1:${health}` };
  const env = { ...process.env, ...house.environment(), ...listen };
  const workers = async () =>
    (await house.db.query<{ instance_id: string }>('SELECT instance_id::text FROM dispatch.worker')).rows.map(
      (row) => row.instance_id,
    );
  const started = async (before: readonly string[]) => {
    child = spawn(process.execPath, [MAIN], { env, stdio: 'inherit' });
    return eventually(
      async () => {
        const now = await workers();
        expect(now).not.toEqual(before);
        return now;
      },
      { timeoutMs: 20_000 },
    );
  };
  const first = await started([]);
  expect(first).toHaveLength(1);
  child!.kill('SIGKILL');
  await once(child!, 'exit');
  // It comes in one transaction with the end of the one before, whose lease would last for seconds.
  expect(await workers()).toEqual(first);
  const second = await started(first);
  expect(second).toHaveLength(1);
  await eventually(async () => {
    const { rows } = await house.db.query('SELECT DISTINCT owner::text FROM dispatch.shard');
    expect(rows).toEqual([{ owner: second[0] }]);
  });
}, 60_000);

test('F8 two processes on one store send each message once, also while their shards move', async () => {
  const first = await house.start();
  await house.config.settled();
  const create = async (n: number): Promise<string> =>
    (await first.create({ tenantId: tenant.id, sourceId, to: `+1555000${1000 + n}` })).command!.id;
  const early = await Promise.all(Array.from({ length: 60 }, (_, n) => create(n)));
  const second = await house.start();
  const late = await Promise.all(Array.from({ length: 60 }, (_, n) => create(60 + n)));
  const ids = [...early, ...late];
  const open = async () =>
    (
      await house.db.query(
        `SELECT state, attempt_count, error_code, due_at::text FROM dispatch.command WHERE state <> 'sent'`,
      )
    ).rows;
  // One whose answer is lost to a moment without a processor is asked for, once nobody can wait for it any more.
  await eventually(async () => expect(await open()).toEqual([]), { timeoutMs: SETTLE_MS + 20_000 });
  await second.close();
  expect(taken()).toEqual(ids.sort());
}, 90_000);
