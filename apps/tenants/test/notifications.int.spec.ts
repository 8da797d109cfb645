import { join } from 'node:path';
import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import {
  DestinationReportServiceService,
  NotificationDeliveryServiceService,
  NotificationServiceService,
  type ReportFailingSourceRequest,
  SourceReportServiceService,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { Database } from '@posthorn/postgres/database.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { DeliverNotifications } from '../src/application/deliver-notifications.js';
import { NotifyTenant } from '../src/application/notify-tenant.js';
import { SecretVault } from '../src/application/secret-vault.js';
import { KeyEncryptionFile } from '../src/clients/key-encryption-file.js';
import { AuditStore } from '../src/persistence/audit.store.js';
import { NotificationStore } from '../src/persistence/notification.store.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { ACTOR, CALL, House, type Instance, makeDestination, makeSource, makeTenant } from './harness.js';

const DAY_MS = 86_400_000;
let house: House;
let instance: Instance;
let clock: FakeClock;
let settings: ReturnType<typeof grpcClient<typeof NotificationServiceService>>;
let deliveries: ReturnType<typeof grpcClient<typeof NotificationDeliveryServiceService>>;
let reports: ReturnType<typeof grpcClient<typeof DestinationReportServiceService>>;
let sourceReports: ReturnType<typeof grpcClient<typeof SourceReportServiceService>>;
beforeAll(async () => {
  house = await House.open('notifications');
  clock = new FakeClock(new SystemClock().nowMs());
  instance = await house.start({ clock });
  settings = grpcClient(NotificationServiceService, instance.channel('api'));
  deliveries = grpcClient(NotificationDeliveryServiceService, instance.channel('dispatcher'));
  reports = grpcClient(DestinationReportServiceService, instance.channel('dispatcher'));
  sourceReports = grpcClient(SourceReportServiceService, instance.channel('events'));
}, 60_000);
afterAll(() => house?.close());
afterEach(() => house.db.query('DELETE FROM tenants.notification'));

const put = (tenant: string, channels: object) =>
  settings.putNotifications(
    { actor: ACTOR, tenant, email: '', webhookUrl: '', newWebhookSecret: false, ...channels },
    CALL,
  );
const hooks = { webhookUrl: 'https://hooks.example.com/posthorn' };
const claim = async (channels = ['webhook', 'email']) =>
  (await deliveries.claimNotifications({ limit: 10, leaseSeconds: 60, channels }, CALL)).notifications;
const settle = async (
  { id, tenantId, attempt }: { id: string; tenantId: string; attempt: number },
  delivered: boolean,
) =>
  (await deliveries.settleNotification({ id, tenantId, attempt, delivered, detail: 'HTTP 500' }, CALL)).state;
const last = async (tenant: string) =>
  (await settings.getNotifications({ tenant }, CALL)).channels.map((channel) => channel.last);
/** What housekeeping does once a minute. */
const round = (): Promise<void> => {
  const db = new Database({
    ...{ url: house.db.url, passwordFile: join(house.dir, 'password'), poolMax: 2 },
    ...{ applicationName: 'round', role: WORKER_ROLE },
  });
  const { log, metrics } = testProcess('tenants');
  const store = new NotificationStore();
  const vault = new SecretVault(new KeyEncryptionFile(join(house.dir, 'kek.json'), clock));
  const parts = [db, store, new NotifyTenant(store), new AuditStore(), vault, clock, log, metrics] as const;
  return new DeliverNotifications(...parts).runRound().finally(() => db.onApplicationShutdown());
};
const disable = (tenantId: string, destinationId: string) =>
  reports.disableDestination(
    {
      ...{ tenantId, destinationId, generation: 1, reason: 'gone', failingSinceMs: 1 },
      ...{ lastStatus: 410, lastOutcome: 'http_error' },
    },
    CALL,
  );

const SINCE_MS = 1_700_000_000_000;
const fails = async (tenantId: string, sourceId: string, over: Partial<ReportFailingSourceRequest> = {}) =>
  (
    await sourceReports.reportFailingSource(
      {
        ...{ tenantId, sourceId, failingSinceMs: SINCE_MS, lastAuthenticMs: SINCE_MS - 1, refused: 12 },
        ...{ lastCause: 'signature.mismatch', ...over },
      },
      CALL,
    )
  ).told;

test('F4 the owner of a disabled destination is told once on each channel, however often it is reported', async () => {
  const tenant = await makeTenant(instance);
  const { webhookSecret } = await put(tenant.id, { ...hooks, email: 'ops@example.com' });
  const { destination } = await makeDestination(instance, tenant.id, { name: 'crm' });
  await Promise.all([disable(tenant.id, destination!.id), disable(tenant.id, destination!.id)]);
  const claimed = await claim();
  expect(claimed.map(({ channel }) => channel).sort()).toEqual(['email', 'webhook']);
  const webhook = claimed.find(({ channel }) => channel === 'webhook')!;
  expect(webhook).toMatchObject({ tenantSlug: tenant.slug, kind: 'destination.disabled', attempt: 1 });
  expect([webhook.address, webhook.secret]).toEqual([hooks.webhookUrl, webhookSecret]);
  const data = { destinationId: destination!.id, name: 'crm', reason: 'gone', lastStatus: 410 };
  expect(JSON.parse(webhook.dataJson)).toMatchObject(data);
  expect(await claim()).toEqual([]); // leased
  for (const each of claimed) expect(await settle(each, true)).toBe('delivered');
  await disable(tenant.id, destination!.id);
  clock.advance(DAY_MS);
  expect(await claim()).toEqual([]);
  expect(await last(tenant.id)).toMatchObject([{ state: 'delivered' }, { state: 'delivered' }]);
});

test('F4 what is not delivered is tried again under the same ID, a bounded number of times, then dropped and audited', async () => {
  const tenant = await makeTenant(instance);
  await put(tenant.id, hooks);
  const { ids } = await settings.testNotifications({ actor: ACTOR, tenant: tenant.id }, CALL);
  // A mail relay is no toy.
  const again = settings.testNotifications({ actor: ACTOR, tenant: tenant.id }, CALL);
  await expect(again).rejects.toMatchObject({ code: 'quota.exceeded' });
  for (let attempt = 1; attempt <= 10; attempt += 1) {
    const [claimed] = await claim();
    expect(claimed).toMatchObject({ id: ids[0], attempt });
    if (attempt === 3) {
      clock.advance(61_000); // the process died: its lease ends
      continue;
    }
    expect(await settle({ ...claimed!, attempt: attempt - 1 }, true)).toBe(''); // an attempt of before
    expect(await settle(claimed!, false)).toBe(attempt === 10 ? 'dropped' : 'pending');
    expect(await claim()).toEqual([]);
    clock.advance(6 * 3_600_000);
  }
  expect(await claim()).toEqual([]);
  expect(await last(tenant.id)).toMatchObject([{ state: 'dropped', attempts: 10, detail: 'HTTP 500' }]);
  const { entries } = await instance.admin.listAudit({ tenant: tenant.id, limit: 1, cursor: '' }, CALL);
  expect(entries[0]).toMatchObject({ action: 'notification.dropped', target: ids[0] });
  expect(await instance.process.metrics.text()).toMatch(
    /posthorn_notifications_total\{[^}]*state="dropped"[^}]*\} 1/,
  );
});

test('F4 a key is told of seven days before it expires, once; one that lives shorter is not', async () => {
  const tenant = await makeTenant(instance);
  await put(tenant.id, hooks);
  const make = async (name: string, days: number) =>
    (
      await instance.admin.createApiKey(
        {
          ...{ actor: ACTOR, tenant: tenant.id, name, scopes: ['events:read'] },
          expiresAtMs: clock.nowMs() + days * DAY_MS,
        },
        CALL,
      )
    ).apiKey!;
  const long = await make('long', 10);
  await make('short', 5);
  await round();
  expect(await claim()).toEqual([]);
  clock.advance(3 * DAY_MS + 1);
  await round();
  await round();
  const claimed = await claim();
  expect(claimed).toMatchObject([{ kind: 'key.expiring' }]);
  expect(JSON.parse(claimed[0]!.dataJson)).toMatchObject({ keyId: long.id, name: 'long' });
  await settle(claimed[0]!, true);
  clock.advance(DAY_MS);
  await round();
  expect(await claim()).toEqual([]);
});

test('F4 a webhook keeps its secret until a new one is asked for; what waits for a channel goes with it', async () => {
  const tenant = await makeTenant(instance);
  const first = await put(tenant.id, hooks);
  expect(first.webhookSecret).toMatch(/^whsec_/);
  expect((await put(tenant.id, { webhookUrl: 'https://other.example.com' })).webhookSecret).toBe('');
  await instance.admin.rotateTenantKeys({ actor: ACTOR, tenant: tenant.id }, CALL);
  await settings.testNotifications({ actor: ACTOR, tenant: tenant.id }, CALL);
  expect(await claim(['email'])).toEqual([]);
  const [claimed] = await claim();
  expect(claimed).toMatchObject({ address: 'https://other.example.com/', secret: first.webhookSecret });
  const next = await put(tenant.id, { ...hooks, newWebhookSecret: true });
  expect(next.webhookSecret).not.toBe(first.webhookSecret);
  expect((await put(tenant.id, {})).channels).toEqual([]);
  expect(await settle(claimed!, true)).toBe('');
  await expect(settings.testNotifications({ actor: ACTOR, tenant: tenant.id }, CALL)).rejects.toMatchObject({
    code: 'request.invalid',
  });
  await expect(put(tenant.id, { email: 'Ops <ops@example.com>' })).rejects.toMatchObject({
    code: 'request.invalid',
  });
  await expect(put(tenant.id, { webhookUrl: 'http://127.0.0.1/x' })).rejects.toThrow();
});

test('I6 a deleted tenant leaves no address behind', async () => {
  const tenant = await makeTenant(instance);
  await put(tenant.id, { ...hooks, email: 'ops@example.com' });
  await settings.testNotifications({ actor: ACTOR, tenant: tenant.id }, CALL);
  await instance.admin.deleteTenant({ actor: ACTOR, tenant: tenant.id }, CALL);
  await eventually(async () => {
    const { rows } = await house.db.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM tenants.notification_channel WHERE address LIKE '%ops@%'
         AND tenant_id NOT IN (SELECT tenant_id FROM tenants.tenant WHERE status <> 'deleted')`,
    );
    expect(rows[0]!.n).toBe(0);
  });
  expect(await claim()).toEqual([]);
});

test('A10 the owner of a source that fails is told once for as long as it does, on a channel set later too', async () => {
  const tenant = await makeTenant(instance);
  const source = await makeSource(instance, tenant.id);
  expect(await fails(tenant.id, source.id)).toBe(false); // nobody wants to know
  await put(tenant.id, hooks);
  const both = await Promise.all([fails(tenant.id, source.id), fails(tenant.id, source.id)]);
  expect(both.sort()).toEqual([false, true]);
  const claimed = await claim();
  expect(claimed).toMatchObject([{ kind: 'source.failing', channel: 'webhook', tenantSlug: tenant.slug }]);
  expect(JSON.parse(claimed[0]!.dataJson)).toEqual({
    ...{ sourceId: source.id, name: 'Sender', provider: 'hmac', refused: 12, cause: 'signature.mismatch' },
    failingSince: '2023-11-14T22:13:20.000Z',
    lastAuthenticAt: '2023-11-14T22:13:19.999Z',
  });
  await settle(claimed[0]!, true);
  await put(tenant.id, { ...hooks, email: 'ops@example.com' });
  expect(await fails(tenant.id, source.id, { refused: 40, failingSinceMs: SINCE_MS + 5 })).toBe(true);
  expect(await fails(tenant.id, source.id, { refused: 41 })).toBe(false);
  expect(await claim()).toMatchObject([{ kind: 'source.failing', channel: 'email' }]);
  // It got better, and fails again.
  expect(await fails(tenant.id, source.id, { lastAuthenticMs: SINCE_MS + 9 })).toBe(true);
  expect(await claim()).toHaveLength(2);
  expect(await last(tenant.id)).toMatchObject([{ kind: 'source.failing' }, { kind: 'source.failing' }]);
});

test('A10 nobody is told of a source that takes nothing, or what is not authentic, or that is another’s or no more', async () => {
  const [tenant, stranger] = [await makeTenant(instance), await makeTenant(instance)];
  for (const { id } of [tenant, stranger]) await put(id, hooks);
  const source = await makeSource(instance, tenant.id);
  const { actor, id } = { actor: ACTOR, id: source.id };
  const pause = { actor, tenant: tenant.id, sourceId: id, reason: '' };
  const change = (fields: object) =>
    instance.admin.updateSource({ actor, tenant: tenant.id, id, ...fields }, CALL);
  expect(await fails(stranger.id, id)).toBe(false);
  expect(await fails('ten_00000000000000000000000001', id)).toBe(false);
  await change({ status: 'disabled' });
  expect(await fails(tenant.id, id)).toBe(false);
  await change({ status: 'active', settingsJson: '{"verification":"monitor"}' });
  expect(await fails(tenant.id, id)).toBe(false);
  await change({ settingsJson: '{"verification":null}' });
  await instance.admin.setSourcePause({ ...pause, paused: true }, CALL);
  expect(await fails(tenant.id, id)).toBe(false);
  await instance.admin.setSourcePause({ ...pause, paused: false }, CALL);
  expect(await fails(tenant.id, id, { lastAuthenticMs: 0 })).toBe(true);
  expect(JSON.parse((await claim())[0]!.dataJson)).not.toHaveProperty('lastAuthenticAt');
  await instance.admin.deleteSource({ actor, tenant: tenant.id, id }, CALL);
  expect(await fails(tenant.id, id)).toBe(false);
  expect(await claim()).toEqual([]);
});

test.each([
  ['tenantId', { tenantId: 'acme' }],
  ['sourceId', { sourceId: 'dst_1' }],
  ['failingSinceMs', { failingSinceMs: 0 }],
  ['failingSinceMs', { failingSinceMs: NaN }],
  ['lastAuthenticMs', { lastAuthenticMs: 1e300 }],
  ['lastAuthenticMs', { lastAuthenticMs: SINCE_MS + 0.5 }],
  ['lastCause', { lastCause: 'a text of the sender' }],
])('B5 a report of a failing source with an impossible %s is refused, by its name', async (path, over) => {
  const [tenantId, sourceId] = ['ten_00000000000000000000000001', 'src_00000000000000000000000001'];
  await expect(fails(tenantId, sourceId, over)).rejects.toMatchObject({
    code: 'request.invalid',
    fields: [{ path }],
  });
});

test('B11 nobody but events reports sources', async () => {
  sourceReports = grpcClient(SourceReportServiceService, instance.channel('ingress'));
  await expect(fails('ten_00000000000000000000000001', 'src_x')).rejects.toMatchObject({
    code: 'caller.forbidden',
  });
  sourceReports = grpcClient(SourceReportServiceService, instance.channel('events'));
});
