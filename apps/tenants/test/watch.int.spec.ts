import { ConfigKind as Kind, type WatchResponse } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import {
  ACTOR,
  CALL,
  House,
  type Instance,
  makeDestination,
  makeSource,
  makeTenant,
  TestWatcher,
} from './harness.js';

const INGRESS = [
  Kind.CONFIG_KIND_TENANTS,
  Kind.CONFIG_KIND_HASH_KEYS,
  Kind.CONFIG_KIND_DATA_KEYS,
  Kind.CONFIG_KIND_SOURCES,
];
const DISPATCHER = [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_DESTINATIONS];

let house: House;
let tenants: Instance;
let instances = 0;
beforeAll(async () => {
  house = await House.open('watch');
  tenants = await house.start();
});
afterEach(() => house.db.query('DELETE FROM tenants.watcher'));
afterAll(() => house.close());

const watch = (instance: Instance, service: string, kinds: Kind[], options?: { confirms?: boolean }) =>
  TestWatcher.open(
    instance.channel(service),
    { service, instanceId: `instance-${++instances}`, kinds },
    options,
  );

const rotate = (instance: Instance, tenant: string, sourceId: string, overlapSeconds = 0) =>
  instance.admin.rotateSourceSecret({ actor: ACTOR, tenant, sourceId, secret: '', overlapSeconds }, CALL);

/** What a watcher knows after its responses, as an edge would. */
function stateOf(responses: readonly WatchResponse[]): Map<string, unknown> {
  const state = new Map<string, unknown>();
  for (const response of responses) {
    for (const each of [...response.tenants, ...response.sources, ...response.destinations])
      state.set(each.id, each);
    for (const id of [
      ...response.deletedTenantIds,
      ...response.deletedSourceIds,
      ...response.deletedDestinationIds,
    ])
      state.delete(id);
  }
  return state;
}

test('a snapshot, then changes in the order of their versions', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant, 'the first secret');
  const watcher = await watch(tenants, 'ingress', INGRESS);
  const snapshot = await watcher.snapshot();
  const state = stateOf(snapshot);
  expect(state.get(source.id)).toMatchObject({ tenantId: tenant, secrets: [{ value: 'the first secret' }] });
  const config = snapshot.flatMap(({ tenants: list }) => list).find(({ id }) => id === tenant)!;
  expect(config.hashKey).toHaveLength(32);
  expect(config.dataKeys.map(({ key }) => key.length)).toEqual([32, 32, 32]);
  expect(config.shards).toHaveLength(4);
  const rotated = await rotate(tenants, tenant, source.id, 60);
  expect(rotated.applied!.pending).toEqual([]);
  const after = stateOf(watcher.responses).get(source.id) as { secrets: { value: string; status: string }[] };
  expect(after.secrets.map(({ value, status }) => [value, status])).toEqual([
    [rotated.generatedSecret, 'current'],
    ['the first secret', 'previous'],
  ]);
  await tenants.admin.deleteSource({ actor: ACTOR, tenant, id: source.id }, CALL);
  expect(stateOf(watcher.responses).has(source.id)).toBe(false);
  const versions = watcher.responses.slice(snapshot.length - 1).map(({ version }) => version);
  expect(versions).toEqual([...versions].sort((a, b) => Number(a - b)));
  watcher.end();
});

test('a watcher is not told of kinds it did not ask for', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const watcher = await watch(tenants, 'dispatcher', DISPATCHER);
  await watcher.snapshot();
  const source = await makeSource(tenants, tenant);
  const fields = { eventTypes: ['consent.*'], include: ['handoff'] };
  const { destination } = await makeDestination(tenants, tenant, fields);
  const state = stateOf(watcher.responses);
  expect(state.has(source.id)).toBe(false);
  expect(state.get(destination!.id)).toMatchObject({
    ...{ eventTypes: ['consent.opted_out', 'consent.opted_in'], include: ['handoff'] },
  });
  expect(state.get(tenant)).toMatchObject({ dataKeys: [] });
  expect((state.get(tenant) as { hashKey: Buffer }).hashKey).toHaveLength(0);
  watcher.end();
});

test('B7 a change is answered when every watcher of it has confirmed, else after 2 s with who has not', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant);
  const [quick, slow, other] = [
    await watch(tenants, 'ingress', INGRESS),
    await watch(tenants, 'ingress', INGRESS, { confirms: false }),
    await watch(tenants, 'dispatcher', DISPATCHER, { confirms: false }),
  ];
  for (const watcher of [quick, slow, other]) await watcher.snapshot();
  const late = await rotate(tenants, tenant, source.id);
  expect(late.applied!.pending).toEqual([`ingress/instance-${instances - 1}`]);
  // Confirmed while the call waits: it must not go on until its time is over.
  const startMs = performance.now();
  const waiting = rotate(tenants, tenant, source.id);
  await eventually(() => expect(slow.responses.at(-1)!.version).toBeGreaterThan(late.applied!.version));
  slow.confirm(slow.responses.at(-1)!.version);
  expect((await waiting).applied!.pending).toEqual([]);
  expect(performance.now() - startMs).toBeLessThan(1_500);
  for (const watcher of [quick, slow, other]) watcher.end();
});

test('B7 a revoked signing secret is answered when every dispatcher has stopped signing with it', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const { destination, signingSecret } = await makeDestination(tenants, tenant);
  const destinationId = destination!.id;
  const [quick, slow] = [
    await watch(tenants, 'dispatcher', DISPATCHER),
    await watch(tenants, 'dispatcher', DISPATCHER, { confirms: false }),
  ];
  for (const watcher of [quick, slow]) await watcher.snapshot();
  const act = { actor: ACTOR, tenant, destinationId };
  await tenants.admin.rotateDestinationSecret({ ...act, overlapSeconds: 60 }, CALL);
  const valuesAt = ({ responses }: TestWatcher) =>
    (stateOf(responses).get(destinationId) as { secrets: { value: string }[] }).secrets.map(
      ({ value }) => value,
    );
  expect(valuesAt(quick)).toContain(signingSecret);
  const secretId = destination!.secrets[0]!.id;
  const { applied } = await tenants.admin.revokeDestinationSecret({ ...act, secretId }, CALL);
  expect(applied!.pending).toEqual([`dispatcher/instance-${instances}`]);
  for (const watcher of [quick, slow]) {
    expect(valuesAt(watcher)).toHaveLength(1);
    expect(valuesAt(watcher)).not.toContain(signingSecret);
    watcher.end();
  }
});

test('a watcher that stops is not waited for, one that vanishes is, until it was not seen for a minute', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant);
  const [done, lost] = [await watch(tenants, 'ingress', INGRESS), await watch(tenants, 'ingress', INGRESS)];
  for (const watcher of [done, lost]) await watcher.snapshot();
  const name = `instance-${instances}`;
  await eventually(async () => {
    const { rows } = await house.db.query('SELECT FROM tenants.watcher WHERE confirmed_version > 0');
    expect(rows).toHaveLength(2);
  });
  done.end();
  lost.cut();
  await eventually(async () => {
    const { rows } = await house.db.query<{ id: string }>('SELECT instance_id AS id FROM tenants.watcher');
    expect(rows).toEqual([{ id: name }]);
  });
  expect((await rotate(tenants, tenant, source.id)).applied!.pending).toEqual([`ingress/${name}`]);
  await house.db.query(`UPDATE tenants.watcher SET seen_at = now() - interval '61 seconds'`);
  expect((await rotate(tenants, tenant, source.id)).applied!.pending).toEqual([]);
});

test('a watcher that comes back gets everything again, without what is gone', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const [kept, gone] = [await makeSource(tenants, tenant), await makeSource(tenants, tenant)];
  const channel = tenants.channel('ingress');
  const hello = { service: 'ingress', instanceId: 'comes-back', kinds: INGRESS };
  const first = await TestWatcher.open(channel, hello);
  expect(stateOf(await first.snapshot()).has(gone.id)).toBe(true);
  first.cut();
  await tenants.admin.deleteSource({ actor: ACTOR, tenant, id: gone.id }, CALL);
  const second = await TestWatcher.open(channel, hello);
  const state = stateOf(await second.snapshot());
  expect([state.has(kept.id), state.has(gone.id)]).toEqual([true, false]);
  second.end();
});

test('two replicas on one database: a change at one is confirmed by watchers of the other', async () => {
  const second = await house.start();
  const { id: tenant } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant);
  const watcher = await watch(second, 'ingress', INGRESS);
  await watcher.snapshot();
  const startMs = performance.now();
  const rotated = await rotate(tenants, tenant, source.id);
  expect(rotated.applied!.pending).toEqual([]);
  expect(performance.now() - startMs).toBeLessThan(1_500);
  expect(stateOf(watcher.responses).get(source.id)).toMatchObject({
    secrets: [{ value: rotated.generatedSecret }],
  });
  await second.close();
  await eventually(() => expect(watcher.isEnded).toBe(true));
});

test('many changes at once, from two replicas: dense versions, each watcher ends at the truth', async () => {
  const second = await house.start();
  const { id: tenant } = await makeTenant(tenants);
  const watchers = [await watch(tenants, 'ingress', INGRESS), await watch(second, 'ingress', INGRESS)];
  for (const watcher of watchers) await watcher.snapshot();
  const made = await Promise.all(
    Array.from({ length: 30 }, (_, index) => makeSource(index % 2 === 0 ? tenants : second, tenant)),
  );
  await Promise.all(
    made.slice(0, 10).map(({ id }) => second.admin.deleteSource({ actor: ACTOR, tenant, id }, CALL)),
  );
  const { rows } = await house.db.query<{ version: string }>('SELECT version FROM tenants.config_version');
  const { rows: gaps } = await house.db.query(
    `SELECT version FROM (SELECT version, lag(version) OVER (ORDER BY version) AS former
       FROM (SELECT DISTINCT version FROM tenants.config_change) d) v WHERE former <> version - 1`,
  );
  expect(gaps).toEqual([]);
  for (const watcher of watchers) {
    await eventually(() => expect(watcher.responses.at(-1)!.version).toBe(BigInt(rows[0]!.version)));
    const state = stateOf(watcher.responses);
    expect(made.map(({ id }) => state.has(id))).toEqual(made.map((_, index) => index >= 10));
    watcher.end();
  }
  await second.close();
});

test('B9 only services that need them get keys and secrets, each under its own name', async () => {
  const refused = async (caller: string, service: string, kinds: Kind[]) => {
    const watcher = await TestWatcher.open(tenants.channel(caller), { service, instanceId: 'x', kinds });
    await eventually(() => expect(watcher.error).toMatchObject({ code: 'caller.forbidden' }));
    expect(watcher.responses).toEqual([]);
  };
  await refused('compliance', 'compliance', [Kind.CONFIG_KIND_DATA_KEYS]);
  await refused('compliance', 'ingress', [Kind.CONFIG_KIND_DATA_KEYS]);
  await refused('events', 'events', [Kind.CONFIG_KIND_SOURCES]);
  await refused('dispatcher', 'dispatcher', [Kind.CONFIG_KIND_SOURCES]);
  await refused('ingress', 'ingress', [Kind.CONFIG_KIND_SEND_CREDENTIALS]);
  await refused('events', 'events', [Kind.CONFIG_KIND_SEND_CREDENTIALS]);
  await refused('api', 'api', [Kind.CONFIG_KIND_TENANTS]);
  const unknown = await TestWatcher.open(tenants.channel('ingress'), {
    service: 'ingress',
    instanceId: 'x',
    kinds: [99 as Kind],
  });
  await eventually(() => expect(unknown.error).toMatchObject({ code: 'request.invalid' }));
});

test('an older data key is given to those who read, by ID, and to nobody else', async () => {
  const { id: tenantId } = await makeTenant(tenants);
  const watcher = await watch(tenants, 'events', [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_DATA_KEYS]);
  const snapshot = await watcher.snapshot();
  const key = snapshot.flatMap((page) => page.tenants).find(({ id }) => id === tenantId)!.dataKeys[0]!;
  const ask = (caller: string, tenant: string, dataKeyId: Buffer) =>
    grpcClient(ConfigServiceService, tenants.channel(caller)).getDataKey(
      { tenantId: tenant, dataKeyId },
      CALL,
    );
  expect((await ask('events', tenantId, key.id)).dataKey).toEqual(key);
  const { id: other } = await makeTenant(tenants);
  for (const [tenant, id] of [
    [other, key.id],
    [tenantId, Buffer.alloc(16)],
    ['ten_x', Buffer.alloc(3)],
  ] as const)
    await expect(ask('events', tenant, id)).rejects.toMatchObject({ code: 'data_key.not_found' });
  await expect(ask('compliance', tenantId, key.id)).rejects.toMatchObject({ code: 'caller.forbidden' });
  await expect(ask('api', tenantId, key.id)).rejects.toMatchObject({ code: 'caller.forbidden' });
  watcher.end();
});

test('a heartbeat comes while nothing changes', async () => {
  const watcher = await watch(tenants, 'ingress', [Kind.CONFIG_KIND_TENANTS]);
  const snapshot = await watcher.snapshot();
  await eventually(() => expect(watcher.responses.length).toBeGreaterThan(snapshot.length), {
    timeoutMs: 8_000,
  });
  expect(watcher.responses.at(-1)).toMatchObject({ version: snapshot.at(-1)!.version, tenants: [] });
  watcher.end();
});
