import { FactServiceService } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { startOlder } from './older-server.js';
import { addReplica, addresses, certificates, channel, replicas, useReplicas } from './replicas-rig.js';
import { CALLS_BEFORE, FACTS, TIMES } from './server-rig.js';

useReplicas();

const facts = () => grpcClient(FactServiceService, channel());
type Client = ReturnType<typeof facts>;

async function callInTurn(client: Client, count: number): Promise<void> {
  for (let made = 0; made < count; made += 1) await client.listFacts(FACTS, TIMES);
}

/** What each replica got of so many calls. */
async function sharesOf(client: Client, count: number): Promise<number[]> {
  const before = replicas.map(({ calls }) => calls);
  await callInTurn(client, count);
  return replicas.map(({ calls }, at) => (calls - before[at]!) / count);
}

async function untilCarried(client: Client): Promise<void> {
  await callInTurn(client, CALLS_BEFORE);
  await eventually(async () => {
    await client.listFacts(FACTS, TIMES);
    expect(replicas.some(({ carried }) => carried > 0)).toBe(true);
  });
}

test('I6 calls over streams are spread evenly over the replicas', async () => {
  const client = facts();
  await client.listFacts(FACTS, TIMES);
  await untilCarried(client);
  const carriedBefore = replicas.reduce((sum, { carried }) => sum + carried, 0);
  await eventually(async () => {
    for (const share of await sharesOf(client, 300)) expect(share).toBeGreaterThan(0.4);
  });
  expect(replicas.reduce((sum, { carried }) => sum + carried, 0) - carriedBefore).toBeGreaterThan(100);
}, 20_000);

test('I6 streams that one replica got all of, because it was there first, are spread before long', async () => {
  // Would break: after a start or a rollout, one replica would have all the work for as long as its connection lasts.
  const client = facts();
  // At once: the streams are asked for before the second connection is up.
  await Promise.all(Array.from({ length: 100 }, () => client.listFacts(FACTS, TIMES)));
  await eventually(async () => {
    for (const share of await sharesOf(client, 200)) expect(share).toBeGreaterThan(0.35);
  });
}, 20_000);

test('I3 I6 a replica that is added later gets its share over streams within the age of connections; no call fails', async () => {
  const client = facts();
  await untilCarried(client);
  const added = await addReplica();
  await eventually(
    async () => {
      for (const share of await sharesOf(client, 150)) expect(share).toBeGreaterThan(0.2);
      expect(added.carried).toBeGreaterThan(0);
    },
    { timeoutMs: 15_000 },
  );
}, 30_000);

test('I3 a replica that drains under load loses no call, and the other has the work', async () => {
  const client = facts();
  await untilCarried(client);
  for (const replica of replicas) replica.workMs = 15;
  let isOver = false;
  let answered = 0;
  const callers = Array.from({ length: 20 }, async () => {
    while (!isOver) {
      await client.listFacts(FACTS, TIMES);
      answered += 1;
    }
  });
  const all = Promise.all(callers);
  await eventually(() => expect(answered).toBeGreaterThan(200));
  addresses.shift();
  const [leaving, staying] = [replicas[0]!, replicas[1]!];
  await Promise.race([leaving.service.close(), all]);
  const { calls } = staying;
  await Promise.race([eventually(() => expect(staying.calls).toBeGreaterThan(calls + 500)), all]);
  isOver = true;
  await all;
}, 30_000);

test('I3 I6 beside a replica of a version without streams none gets more than its share', async () => {
  // Would break: in a rollout the first replica of the new version would get the calls of all.
  await replicas.pop()!.service.close();
  addresses.pop();
  const older = await startOlder(certificates);
  addresses.push({ host: '127.0.0.1', port: older.port });
  const client = facts();
  await callInTurn(client, CALLS_BEFORE * 4);
  const [share] = await sharesOf(client, 100);
  expect(share).toBeGreaterThan(0.4);
  expect(share).toBeLessThan(0.6);
  older.stop();
}, 20_000);
