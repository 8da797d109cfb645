import { createServer, type Server, type Socket } from 'node:net';
import { STATUS_DEADLINE_MS } from '../src/application/read-overview.js';
import { callerOf, startApi, type TestApi, uniqueSlug } from './harness.js';

/** Two calls one after the other, and what a busy machine takes. */
const ANSWER_MS_MAX = 2 * STATUS_DEADLINE_MS + 2_000;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
}, 60_000);
afterAll(() => api?.close());

interface Shown {
  readonly stage: string;
  readonly wrong: { readonly what: string; readonly runbook: string }[];
}
const stageIn = (body: { readonly stages: readonly Shown[] }, name: string) =>
  body.stages.find(({ stage }) => stage === name)!;

async function newTenant(slug: string) {
  const body = { slug, name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' };
  const tenant = await api.operator('POST', '/v1/tenants', { body });
  expect(tenant.status).toBe(201);
  const source = { name: 'in', provider: 'standard-webhooks', settings: {} };
  return (await api.operator('POST', `/v1/tenants/${slug}/sources`, { body: source })).body;
}

test('H4 one call shows each stage with what waits, how fast it goes, what is wrong and which runbook is about it', async () => {
  const { status, body } = await api.operator('GET', '/v1/overview');
  expect(status).toBe(200);
  expect(body.isWell).toBe(false);
  expect(stageIn(body, 'append')).toMatchObject({ service: 'events', ratePerSecond: 12.35, wrong: [] });
  expect(stageIn(body, 'projection')).toMatchObject({ depth: 3, isMore: false, lagSeconds: 0.04 });
  expect(stageIn(body, 'unrecognized').wrong).toEqual([
    { what: 'nobody understands them', runbook: 'docs/runbooks/schema-drift.md' },
  ]);
  expect(stageIn(body, 'publish')).toMatchObject({ depth: 9 });
  expect(stageIn(body, 'deliveries')).toMatchObject({ depth: 9, isMore: true, oldestAt: null });
  expect(stageIn(body, 'stores').wrong).toEqual([
    { what: 'events: broker is not reached', runbook: 'docs/runbooks/broker-loss.md' },
  ]);
  // There is no ingress here.
  expect(stageIn(body, 'intake').wrong.map(({ what }) => what)).toEqual([
    'no ingress was in contact within the last minute: nothing is taken',
  ]);
});

test('I8 every stop that is in force is in it, and gone when it ended', async () => {
  const slug = uniqueSlug();
  const { id: sourceId } = await newTenant(slug);
  const T = `/v1/tenants/${slug}`;
  const act = async (path: string) =>
    expect((await api.operator('POST', path, { body: { reason: 'drill' } })).status).toBeLessThan(300);
  const stops = async () =>
    (await api.operator('GET', '/v1/overview')).body.stops
      .filter((stop: { tenant: string | null }) => stop.tenant === slug || stop.tenant === null)
      .map(({ kind, sourceId: of }: { kind: string; sourceId: string | null }) => [kind, of]);
  expect(await stops()).toEqual([]);
  await act(`${T}/sources/${sourceId}/pause`);
  await act(`${T}/sends/pause`);
  await act(`${T}/suspend`);
  await act('/v1/sends/pause');
  expect(await stops()).toEqual([
    ['platform_sends_paused', null],
    ['source_paused', sourceId],
    ['tenant_sends_paused', null],
    ['tenant_suspended', null],
  ]);
  await act(`${T}/resume`);
  await act(`${T}/sends/resume`);
  await act(`${T}/sources/${sourceId}/resume`);
  await act('/v1/sends/resume');
  expect(await stops()).toEqual([]);
});

test('I7 a new source is watched: what came through it, how much of it twice, what died, what people had to do', async () => {
  const slug = uniqueSlug();
  const { id: sourceId } = await newTenant(slug);
  const { body } = await api.operator('GET', '/v1/overview');
  expect(body.launches.find((launch: { sourceId: string }) => launch.sourceId === sourceId)).toMatchObject({
    ...{ tenant: slug, name: 'in', provider: 'standard-webhooks' },
    ...{ events: 90, duplicates: 10, duplicateShare: 10, unrecognized: 0, lagSeconds: 0 },
    ...{ deadLetters: 2, manualSteps: 0, manualShare: 0 },
    wrong: [{ what: '2 dead letters', runbook: 'docs/runbooks/destination-outage.md' }],
  });
});

describe('a service that does not answer', () => {
  const sockets = new Set<Socket>();
  let silent: Server;
  let silentAddress: string;
  beforeAll(async () => {
    silent = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    silentAddress = `127.0.0.1:${(silent.address() as { port: number }).port}`;
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });

  test.each([
    ['is gone', () => '127.0.0.1:1'],
    ['takes the call and says nothing', () => silentAddress],
  ])(
    'H4 because it %s is itself what is wrong, and the rest is shown within the deadline',
    async (_, address) => {
      const other = await api.another({ dispatcherAddress: address() });
      const key = await api.operator('POST', '/v1/operators/keys', { body: { name: 'look' } });
      const startMs = performance.now();
      const { status, body } = await callerOf(other.url, key.body.secret)('GET', '/v1/overview');
      expect(performance.now() - startMs).toBeLessThan(ANSWER_MS_MAX);
      await other.close();
      expect(status).toBe(200);
      expect(body.isWell).toBe(false);
      expect(body.services).toContainEqual({ service: 'dispatcher', isAnswering: false, checks: [] });
      expect(stageIn(body, 'deliveries')).toMatchObject({
        ...{ depth: null, ratePerSecond: null },
        wrong: [{ what: `dispatcher did not answer within ${STATUS_DEADLINE_MS} ms` }],
      });
      expect(stageIn(body, 'projection')).toMatchObject({ depth: 3, wrong: [] });
    },
  );
});

test('B9 the overview is for operators: a tenant’s key does not open it, and no key does neither', async () => {
  const body = { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' };
  const tenant = await api.operator('POST', '/v1/tenants', { body });
  expect((await api.caller(tenant.body.apiKey.secret)('GET', '/v1/overview')).status).toBe(403);
  expect((await api.caller(undefined)('GET', '/v1/overview')).status).toBe(401);
});
