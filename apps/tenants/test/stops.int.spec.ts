import {
  ConfigKind as Kind,
  type SourceConfig,
  type TenantConfig,
  UsageServiceService,
  type WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { ACTOR, CALL, House, type Instance, makeSource, makeTenant, TestWatcher } from './harness.js';

const DISPATCHER = [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_SEND_CREDENTIALS];
const INGRESS = [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_SOURCES];
const EVENTS = [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_SOURCE_SETTINGS];
const CREDENTIALS = '{"headers":{"authorization":"Bearer of-the-send-api"}}';

let house: House;
let tenants: Instance;
let instances = 0;
beforeAll(async () => {
  house = await House.open('stops');
  tenants = await house.start();
});
afterEach(() => house.db.query('DELETE FROM tenants.watcher'));
afterAll(() => house.close());

async function watch(service: string, kinds: Kind[], options?: { confirms?: boolean }): Promise<TestWatcher> {
  const hello = { service, instanceId: `instance-${++instances}`, kinds };
  const watcher = await TestWatcher.open(tenants.channel(service), hello, options);
  await watcher.snapshot();
  return watcher;
}
const last = <T>(watcher: TestWatcher, pick: (response: WatchResponse) => T | undefined): T =>
  watcher.responses.map(pick).findLast((found) => found !== undefined)!;
const tenantSeen = (watcher: TestWatcher, id: string): TenantConfig =>
  last(watcher, (response) => response.tenants.find((each) => each.id === id));
const sourceSeen = (watcher: TestWatcher, id: string): SourceConfig =>
  last(watcher, (response) => response.sources.find((each) => each.id === id));
const latestAudit = async (tenant: string) => {
  const { entries } = await tenants.admin.listAudit({ tenant, limit: 1, cursor: '' }, CALL);
  return { action: entries[0]!.action, detail: JSON.parse(entries[0]!.detailJson) as object };
};

test('I8 sends of one tenant stop and go on, and the answer waits for those who send', async () => {
  const [one, other] = [await makeTenant(tenants), await makeTenant(tenants)];
  const [watcher, silent] = [
    await watch('dispatcher', DISPATCHER),
    await watch('dispatcher', DISPATCHER, { confirms: false }),
  ];
  const pause = (paused: boolean, reason = '') =>
    tenants.admin.setTenantSendsPause({ actor: ACTOR, tenant: one.slug, paused, reason }, CALL);
  const paused = await pause(true, 'complaints');
  expect(paused.tenant).toMatchObject({ id: one.id, status: 'active', sendsPaused: true });
  expect(paused.applied!.pending).toEqual([`dispatcher/instance-${instances}`]);
  expect([tenantSeen(watcher, one.id).sendsPaused, tenantSeen(watcher, other.id).sendsPaused]).toEqual([
    true,
    false,
  ]);
  expect(await latestAudit(one.id)).toEqual({
    action: 'sends.paused',
    detail: {
      before: { status: 'active', isSendingPaused: false },
      after: { status: 'active', isSendingPaused: true },
      reason: 'complaints',
    },
  });
  silent.end();
  await eventually(async () => expect((await pause(true)).applied!.pending).toEqual([]));
  await pause(false);
  expect(tenantSeen(watcher, one.id).sendsPaused).toBe(false);
  await expect(pause(true, 'x'.repeat(501))).rejects.toMatchObject({ fields: [{ path: 'reason' }] });
  watcher.end();
});

test('I8 sends of the whole platform stop by one call; a watcher that comes later knows it from its snapshot', async () => {
  const watcher = await watch('dispatcher', DISPATCHER);
  const isPaused = (of: TestWatcher) => last(of, ({ platform }) => platform?.sendsPaused);
  expect(isPaused(watcher)).toBe(false);
  const pause = (paused: boolean) =>
    tenants.operators.setPlatformSendsPause({ actor: ACTOR, paused, reason: 'outage' }, CALL);
  expect((await pause(true)).applied!.pending).toEqual([]);
  expect(isPaused(watcher)).toBe(true);
  const late = await watch('dispatcher', DISPATCHER);
  expect(isPaused(late)).toBe(true);
  expect(await tenants.operators.getPlatform({}, CALL)).toEqual({ sendsPaused: true });
  expect(await latestAudit('')).toMatchObject({ action: 'sends.paused', detail: { reason: 'outage' } });
  await pause(false);
  expect([isPaused(watcher), isPaused(late)]).toEqual([false, false]);
  for (const each of [watcher, late]) each.end();
});

test('I8 a suspended tenant: told to everybody, its keys only read, its intake stays; then it goes on', async () => {
  const { id, token } = await makeTenant(tenants);
  const source = await makeSource(tenants, id);
  const watcher = await watch('ingress', INGRESS);
  const suspend = (suspended: boolean) =>
    tenants.admin.setTenantSuspension({ actor: ACTOR, tenant: id, suspended, reason: '' }, CALL);
  const scopes = async () => (await tenants.principals.authenticate({ token }, CALL)).scopes;
  const all = await scopes();
  expect((await suspend(true)).tenant!.status).toBe('suspended');
  expect(tenantSeen(watcher, id).status).toBe('suspended');
  expect(sourceSeen(watcher, source.id).status).toBe('active');
  expect(await scopes()).toEqual(all.filter((scope) => scope.endsWith(':read')));
  expect(await tenants.principals.authenticate({ token }, CALL)).toMatchObject({ tenantStatus: 'suspended' });
  // Operators go on working on it.
  await makeSource(tenants, id);
  await suspend(false);
  expect(await scopes()).toEqual(all);
  expect(tenantSeen(watcher, id).status).toBe('active');
  const { entries } = await tenants.admin.listAudit(
    { tenant: id, limit: 0, cursor: '', action: 'tenant.*' },
    CALL,
  );
  expect(entries.map(({ action }) => action)).toEqual([
    'tenant.resumed',
    'tenant.suspended',
    'tenant.created',
  ]);
  watcher.end();
});

test('I8 a source is paused and resumed; those who process hear of it without any secret', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant, 'a secret of intake');
  const watcher = await watch('events', EVENTS);
  const pause = (paused: boolean) =>
    tenants.admin.setSourcePause(
      { actor: ACTOR, tenant, sourceId: source.id, paused, reason: 'drift' },
      CALL,
    );
  const paused = await pause(true);
  expect(paused.source).toMatchObject({ id: source.id, status: 'paused', secrets: [{ status: 'current' }] });
  expect(paused.applied!.pending).toEqual([]);
  expect(sourceSeen(watcher, source.id)).toMatchObject({ status: 'paused', secrets: [] });
  expect(await latestAudit(tenant)).toMatchObject({ action: 'source.paused', detail: { reason: 'drift' } });
  await pause(false);
  expect(sourceSeen(watcher, source.id).status).toBe('active');
  expect(
    JSON.stringify(watcher.responses, (_, value: unknown) => (typeof value === 'bigint' ? 0 : value)),
  ).not.toContain('a secret of intake');
  await tenants.admin.updateSource({ actor: ACTOR, tenant, id: source.id, status: 'disabled' }, CALL);
  await expect(pause(true)).rejects.toMatchObject({ fields: [{ path: 'status' }] });
  watcher.end();
});

test('B6 credentials for sends reach dispatcher alone, and are shown to nobody', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant, 'a secret of intake');
  const set = (credentialsJson: string) =>
    tenants.admin.setSourceCredentials({ actor: ACTOR, tenant, sourceId: source.id, credentialsJson }, CALL);
  const [dispatcher, ingress] = [await watch('dispatcher', DISPATCHER), await watch('ingress', INGRESS)];
  expect(sourceSeen(dispatcher, source.id)).toMatchObject({ provider: 'hmac', secrets: [] });
  const given = await set(CREDENTIALS);
  expect(given.applied!.pending).toEqual([]);
  expect(given.source!.credentialsSetAtMs).toBeGreaterThan(0);
  expect(sourceSeen(dispatcher, source.id)).toMatchObject({ credentialsJson: CREDENTIALS, secrets: [] });
  expect(sourceSeen(ingress, source.id).credentialsJson ?? '').toBe('');
  const late = await watch('dispatcher', DISPATCHER);
  expect(sourceSeen(late, source.id).credentialsJson).toBe(CREDENTIALS);
  const shown = await Promise.all([
    tenants.admin.getSource({ tenant, id: source.id }, CALL),
    tenants.admin.listSources({ tenant, limit: 0, cursor: '' }, CALL),
    tenants.admin.listAudit({ tenant, limit: 0, cursor: '' }, CALL),
  ]);
  expect(shown[0].source!.credentialsSetAtMs).toBe(given.source!.credentialsSetAtMs);
  const text = JSON.stringify(shown, (_, value: unknown) => (typeof value === 'bigint' ? 0 : value));
  expect(text).not.toContain('of-the-send-api');
  expect((await latestAudit(tenant)).action).toBe('source.credentials_set');
  const { rows } = await house.db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM tenants.source_credential WHERE position('of-the-send-api' in encode(sealed, 'escape')) > 0`,
  );
  expect(rows[0]!.count).toBe(0);
  await expect(set('[]')).rejects.toMatchObject({ fields: [{ path: 'credentials' }] });
  expect((await set('')).source!.credentialsSetAtMs).toBeUndefined();
  expect(sourceSeen(dispatcher, source.id).credentialsJson ?? '').toBe('');
  await set(CREDENTIALS);
  await tenants.admin.deleteSource({ actor: ACTOR, tenant, id: source.id }, CALL);
  expect((await house.db.query('SELECT FROM tenants.source_credential')).rowCount).toBe(0);
  for (const each of [dispatcher, ingress, late]) each.end();
});

test('where sends go: settings of their own, checked like destinations', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const create = (settings: object) =>
    tenants.admin.createSource(
      {
        ...{ actor: ACTOR, tenant, name: 'x', provider: 'hmac', secret: '' },
        settingsJson: JSON.stringify(settings),
      },
      CALL,
    );
  const { source } = await create({
    apiBaseUrl: 'https://api.example.com',
    from: '+431',
    maxBodyBytes: 1_000,
  });
  expect(JSON.parse(source!.settingsJson)).toEqual({
    ...{ apiBaseUrl: 'https://api.example.com', from: '+431', maxBodyBytes: 1_000 },
  });
  await expect(create({ apiBaseUrl: 'http://127.0.0.1:1' })).rejects.toMatchObject({
    code: 'destination.address_forbidden',
    fields: [{ path: 'settings.apiBaseUrl' }],
  });
  await expect(
    tenants.admin.updateSource(
      { actor: ACTOR, tenant, id: source!.id, settingsJson: '{"apiBaseUrl":"https://10.0.0.1"}' },
      CALL,
    ),
  ).rejects.toMatchObject({ code: 'destination.address_forbidden' });
});

test('B7 when a secret last matched is shown, whoever reports it and in what order', async () => {
  const [one, two] = [await makeTenant(tenants), await makeTenant(tenants)];
  const source = await makeSource(tenants, one.id);
  const nowMs = tenants.process.clock.nowMs();
  const secretId = source.secrets[0]!.id;
  const usage = grpcClient(UsageServiceService, tenants.channel('ingress'));
  const report = (...ages: number[]) =>
    usage.reportSecretUse(
      { uses: ages.map((ageMs) => ({ tenantId: one.id, secretId, matchedAtMs: nowMs - ageMs })) },
      CALL,
    );
  const lastMatched = async () =>
    (await tenants.admin.getSource({ tenant: one.id, id: source.id }, CALL)).source!.secrets[0]!
      .lastMatchedAtMs;
  expect(await lastMatched()).toBe(0);
  await report(60_000);
  expect(await lastMatched()).toBe(nowMs - 60_000);
  await Promise.all([report(30_000, 90_000), report(120_000)]);
  expect(await lastMatched()).toBe(nowMs - 30_000);
  await report(29_000);
  expect(await lastMatched()).toBe(nowMs - 30_000); // a new row version for each request would be too many
  await report(-3_600_000); // a clock that is ahead
  expect(Math.abs((await lastMatched()) - nowMs)).toBeLessThan(60_000);
  const strangers = [
    { tenantId: two.id, secretId, matchedAtMs: nowMs },
    { tenantId: 'x', secretId: 'y', matchedAtMs: nowMs },
    { tenantId: one.id, secretId, matchedAtMs: Number.NaN },
  ];
  await usage.reportSecretUse({ uses: strangers }, CALL);
  await expect(
    usage.reportSecretUse({ uses: Array.from({ length: 1_001 }, () => strangers[0]!) }, CALL),
  ).rejects.toMatchObject({ code: 'request.invalid' });
  await expect(
    grpcClient(UsageServiceService, tenants.channel('events')).reportSecretUse({ uses: [] }, CALL),
  ).rejects.toMatchObject({ code: 'caller.forbidden' });
});

test('a list that is full says so, and by its own code', async () => {
  const { id } = await makeTenant(tenants);
  const create = (name: string) =>
    tenants.admin.createApiKey(
      { actor: ACTOR, tenant: id, name, scopes: ['events:read'], expiresAtMs: 0 },
      CALL,
    );
  for (let made = 1; made < 100; made += 1) await create(`key ${made}`);
  await expect(create('one more')).rejects.toMatchObject({
    code: 'limit.reached',
    fields: [{ path: 'name' }],
  });
});
