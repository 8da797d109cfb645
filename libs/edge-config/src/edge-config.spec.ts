import { Duplex } from 'node:stream';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import {
  ConfigKind,
  DestinationConfig,
  SourceConfig,
  TenantConfig,
  WatchResponse,
  type WatchRequest,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import { EdgeConfig, type ConfigChange } from './edge-config.js';
import type { LoggerLike } from './logger-like.js';

const DAY_MS = 86_400_000;
const WEEK_START = 19_674; // 2023-11-13, a Monday
const NOW_MS = WEEK_START * DAY_MS + 5_000;
const id = (prefix: 'ten' | 'src' | 'dst'): string => formatId(prefix, newUuid(NOW_MS));
const [TENANT, OTHER, SOURCE, DESTINATION] = [id('ten'), id('ten'), id('src'), id('dst')] as const;
const KEY = { id: newUuid(1), key: Buffer.alloc(32, 7), weekStartDay: WEEK_START };
const NEXT_KEY = { id: newUuid(2), key: Buffer.alloc(32, 8), weekStartDay: WEEK_START + 7 };
const silent = { info: () => {}, warn: () => {}, error: () => {} };

const tenant = (over: Partial<TenantConfig> = {}): TenantConfig => ({
  ...TenantConfig.decode(Buffer.alloc(0)),
  ...{ id: TENANT, slug: 'acme', status: 'active', shards: [1, 9] },
  ...{ hashKey: Buffer.alloc(32, 3), dataKeys: [KEY, NEXT_KEY] },
  ...over,
});
const source = (over: Partial<SourceConfig> = {}): SourceConfig => ({
  ...SourceConfig.decode(Buffer.alloc(0)),
  ...{ id: SOURCE, tenantId: TENANT, provider: 'hmac', settingsJson: '{}', status: 'active' },
  ...over,
});
const destination = (over: Partial<DestinationConfig> = {}): DestinationConfig => ({
  ...DestinationConfig.decode(Buffer.alloc(0)),
  ...{ id: DESTINATION, tenantId: TENANT, name: 'crm', url: 'https://example.test', ordering: 'key' },
  ...{ headersJson: '{"x-team":"a"}', eventTypes: ['message.received'], status: 'active' },
  ...over,
});
const answer = (over: Partial<WatchResponse>): WatchResponse => ({
  ...WatchResponse.decode(Buffer.alloc(0)),
  ...over,
});

/** The far end of a stream, by hand. */
class FakeStream extends Duplex {
  readonly sent: WatchRequest[] = [];
  constructor() {
    super({ objectMode: true });
  }
  override _write(message: WatchRequest, _encoding: string, done: () => void): void {
    this.sent.push(message);
    done();
  }
  override _read(): void {}
  get confirmed(): bigint[] {
    return this.sent.flatMap(({ message }) => (message?.$case === 'confirm' ? [message.value.version] : []));
  }
}

const turn = () => new Promise((done) => setTimeout(done, 5));
async function until(check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300 && !check(); tries += 1) await turn();
  expect(check()).toBe(true);
}

let edge: EdgeConfig;
afterEach(() => void edge.onApplicationShutdown());

async function start(options: { silenceMs?: number } = {}) {
  const clock = new FakeClock(NOW_MS);
  const streams: FakeStream[] = [];
  const peer = { isDown: false };
  const log: LoggerLike = { ...silent };
  edge = new EdgeConfig(
    () => {
      if (peer.isDown) return Promise.reject(new Error('away'));
      streams.push(new FakeStream());
      return Promise.resolve<Duplex>(streams.at(-1)!);
    },
    clock,
    log,
    { service: 'ingress', instanceId: 'i-1', kinds: [ConfigKind.CONFIG_KIND_TENANTS], ...options },
  );
  const changes: ConfigChange[] = [];
  const warnings: string[] = [];
  log.warn = (_fields, words) => void warnings.push(words);
  edge.onChange((change) => changes.push(change));
  edge.onApplicationBootstrap();
  await turn();
  return { clock, streams, changes, peer, warnings };
}

const snapshot = [
  answer({ version: 0n, tenants: [tenant()] }),
  answer({
    version: 5n,
    snapshotComplete: true,
    sources: [source()],
    destinations: [destination()],
  }),
];

test('I1 says hello, is ready once the snapshot is complete, and confirms what it applied', async () => {
  const { streams, changes } = await start();
  const [stream] = streams;
  expect(stream!.sent[0]).toEqual({
    message: {
      $case: 'hello',
      value: { service: 'ingress', instanceId: 'i-1', kinds: [ConfigKind.CONFIG_KIND_TENANTS] },
    },
  });
  stream!.push(snapshot[0]);
  await turn();
  expect([edge.isReady, edge.tenant(TENANT), stream!.confirmed]).toEqual([false, undefined, []]);
  stream!.push(snapshot[1]);
  await turn();
  expect([edge.isReady, edge.version, stream!.confirmed]).toEqual([true, 5n, [5n]]);
  expect(edge.tenantBySlug('acme')).toBe(edge.tenant(TENANT));
  expect(edge.tenant(TENANT)).toMatchObject({ status: 'active', shards: [1, 9] });
  expect(edge.destination(DESTINATION)).toMatchObject({
    ordering: 'key',
    headers: { 'x-team': 'a' },
    eventTypes: new Set(['message.received']),
  });
  expect(edge.destinationsOf(TENANT)).toEqual([edge.destination(DESTINATION)]);
  expect(edge.destinationsOf(OTHER)).toEqual([]);
  expect(changes).toEqual([
    { tenants: [TENANT], sources: [SOURCE], destinations: [DESTINATION], isPlatformChanged: false },
  ]);
});

test("E1 a tenant's own words come and go with its configuration; one that means two things stops", async () => {
  const { streams } = await start();
  const words = { optOut: ['lopeta', 'ei'], optIn: ['aloita', 'ei'], help: ['apua', 'lopeta'] };
  const tenants = [tenant({ keywords: words }), tenant({ id: OTHER, slug: 'other' })];
  streams[0]!.push(answer({ version: 5n, snapshotComplete: true, tenants }));
  await turn();
  expect(Object.fromEntries(edge.tenant(TENANT)!.keywords)).toEqual({
    ...{ lopeta: 'opt_out', ei: 'opt_out', aloita: 'opt_in', apua: 'help' },
  });
  expect(edge.tenant(OTHER)!.keywords.size).toBe(0);
  expect(edge.tenants().map(({ id: each }) => each)).toEqual([TENANT, OTHER]);
  streams[0]!.push(answer({ version: 6n, tenants: [tenant()] }));
  await turn();
  expect([edge.tenant(TENANT)!.keywords.size, streams[0]!.confirmed]).toEqual([0, [5n, 6n]]);
});

test('B7 the newest key of the week seals, each opens what it sealed, and one that is destroyed is gone at once', async () => {
  const { streams } = await start();
  const aad = sealAad('raw', newUuid(1), newUuid(2));
  const renewed = { id: newUuid(3), key: Buffer.alloc(32, 9), weekStartDay: WEEK_START, generation: 1 };
  const newest = { ...renewed, id: newUuid(4), key: Buffer.alloc(32, 10), generation: 2 };
  streams[0]!.push(answer({ version: 5n, snapshotComplete: true, tenants: [tenant()] }));
  await turn();
  const sealed = edge.tenant(TENANT)!.boxFor(NOW_MS)!.seal(Buffer.from('old'), aad);
  for (const dataKeys of [
    [newest, renewed, KEY, NEXT_KEY],
    [KEY, NEXT_KEY, renewed, newest],
  ]) {
    streams[0]!.push(answer({ version: 6n, tenants: [tenant({ dataKeys })] }));
    await turn();
    const own = edge.tenant(TENANT)!;
    expect(own.boxFor(NOW_MS)!.keyId).toEqual(newest.id);
    expect(own.boxFor(NOW_MS + 7 * DAY_MS)!.keyId).toEqual(NEXT_KEY.id);
    expect(own.box(KEY.id)!.open(sealed, aad).toString()).toBe('old');
    expect(own.box(renewed.id)!.keyId).toEqual(renewed.id);
  }
  streams[0]!.push(answer({ version: 7n, tenants: [tenant({ dataKeys: [newest] })] }));
  await turn();
  expect([edge.tenant(TENANT)!.box(KEY.id), streams[0]!.confirmed.at(-1)]).toEqual([undefined, 7n]);
});

test('I1 a change replaces only what it names; a heartbeat changes and confirms nothing', async () => {
  const { streams, changes } = await start();
  const stream = streams[0]!;
  snapshot.forEach((page) => stream.push(page));
  await turn();
  const [before, siblings] = [edge.source(SOURCE), edge.destinationsOf(TENANT)];
  stream.push(answer({ version: 6n, tenants: [tenant({ slug: 'acme-2' })], sources: [source()] }));
  stream.push(answer({ version: 6n }));
  await turn();
  expect([edge.tenantBySlug('acme'), edge.tenantBySlug('acme-2')?.id]).toEqual([undefined, TENANT]);
  expect(edge.source(SOURCE)).toBe(before);
  expect(edge.destinationsOf(TENANT)).toBe(siblings);
  stream.push(answer({ version: 7n, deletedDestinationIds: [DESTINATION], deletedSourceIds: [SOURCE] }));
  await turn();
  expect([edge.destinationsOf(TENANT), edge.source(SOURCE)]).toEqual([[], undefined]);
  expect(stream.confirmed).toEqual([5n, 6n, 7n]);
  expect(changes.slice(1)).toEqual([
    { tenants: [TENANT], sources: [], destinations: [], isPlatformChanged: false },
    { tenants: [], sources: [SOURCE], destinations: [DESTINATION], isPlatformChanged: false },
  ]);
});

test('B6 a deleted tenant is known as such by a change and by every snapshot; one that is missing is not', async () => {
  // Would break: data of a tenant whose configuration could not be read is taken away.
  const { streams } = await start();
  streams[0]!.push(answer({ version: 5n, snapshotComplete: true, tenants: [tenant()] }));
  await turn();
  expect([edge.deletedTenantIds(), edge.isDeleted(OTHER)]).toEqual([[], false]);
  streams[0]!.push(answer({ version: 6n, deletedTenantIds: [TENANT] }));
  await turn();
  expect([edge.tenant(TENANT), edge.isDeleted(TENANT), edge.isDeleted(OTHER)]).toEqual([
    undefined,
    true,
    false,
  ]);
  streams[0]!.destroy(new Error('cut'));
  await until(() => streams.length === 2);
  streams[1]!.push(answer({ version: 7n, deletedTenantIds: [OTHER] }));
  streams[1]!.push(answer({ version: 7n, snapshotComplete: true, deletedTenantIds: [TENANT] }));
  await turn();
  expect([...edge.deletedTenantIds()].sort()).toEqual([TENANT, OTHER].sort());
});

test('A5 a broken watch serves on; the next snapshot replaces everything, what is missing in it is gone', async () => {
  const { streams, peer } = await start();
  snapshot.forEach((page) => streams[0]!.push(page));
  await turn();
  peer.isDown = true;
  streams[0]!.destroy(new Error('cut'));
  await turn();
  expect([edge.isReady, edge.source(SOURCE)?.provider]).toEqual([true, 'hmac']);
  peer.isDown = false;
  await until(() => streams.length === 2);
  const known = edge.tenant(TENANT);
  streams[1]!.push(answer({ version: 2n, snapshotComplete: true, tenants: [tenant()] }));
  await turn();
  expect([edge.source(SOURCE), edge.destinationsOf(TENANT), edge.version]).toEqual([undefined, [], 2n]);
  expect(edge.tenant(TENANT)).toBe(known); // the same, so caches that hang on it live on
  expect(streams[1]!.confirmed).toEqual([2n]);
});

test('I3 a watch that has aged is cut and comes back with all that it missed; nothing is said to have gone wrong', async () => {
  // Would break: a watcher that ends its stream counts as stopped, and a change would not wait for it.
  const { streams, warnings } = await start();
  for (const page of snapshot) streams[0]!.push(page);
  await turn();
  streams[0]!.emit('aged');
  expect([edge.isReady, streams[0]!.destroyed, streams[0]!.writableEnded]).toEqual([true, true, false]);
  await until(() => streams.length === 2);
  streams[1]!.push(answer({ version: 9n, snapshotComplete: true, tenants: [tenant({ slug: 'renamed' })] }));
  await until(() => edge.version === 9n);
  expect(edge.tenant(TENANT)?.slug).toBe('renamed');
  expect(streams[1]!.confirmed).toEqual([9n]);
  expect(warnings).toEqual([]);
});

test('A5 half a snapshot changes nothing', async () => {
  const { streams } = await start();
  snapshot.forEach((page) => streams[0]!.push(page));
  await turn();
  streams[0]!.destroy();
  await until(() => streams.length === 2);
  streams[1]!.push(answer({ tenants: [tenant({ id: OTHER, slug: 'other' })] }));
  await turn();
  expect([edge.tenantBySlug('other'), edge.source(SOURCE)?.id]).toEqual([undefined, SOURCE]);
});

test('A5 a stream that is silent is replaced, and the new one has its own time', async () => {
  const { streams, clock } = await start({ silenceMs: 10_000 });
  snapshot.forEach((page) => streams[0]!.push(page));
  await turn();
  clock.advance(9_000);
  expect(edge.contactAgeMs()).toBe(9_000);
  clock.advance(2_000);
  await until(() => streams.length === 2);
  await new Promise((done) => setTimeout(done, 1_100)); // one round of the check
  expect(streams[1]!.destroyed).toBe(false);
});

test('B3 secrets valid at a moment: expiry is exact, the answer keeps its identity', async () => {
  const { streams } = await start();
  const secrets = [
    { id: 'sec_old', value: 'b', status: 'previous', expiresAtMs: NOW_MS + 1_000 },
    { id: 'sec_new', value: 'a', status: 'current', expiresAtMs: 0 },
  ];
  streams[0]!.push(answer({ version: 1n, snapshotComplete: true, sources: [source({ secrets })] }));
  await turn();
  const valid = (ms: number) => edge.source(SOURCE)!.secretsAt(ms);
  expect(valid(NOW_MS).map((secret) => secret.id)).toEqual(['sec_new', 'sec_old']);
  expect(valid(NOW_MS + 999)).toBe(valid(NOW_MS));
  const first = valid(NOW_MS)[0];
  expect(valid(NOW_MS + 1_000).map((secret) => secret.id)).toEqual(['sec_new']);
  expect(valid(NOW_MS + 1_000)[0]).toBe(first);
  expect(valid(NOW_MS).length).toBe(2); // a clock that was set back
});

test('B9 data keys: the one of the week seals, any known one opens', async () => {
  const { streams } = await start();
  snapshot.forEach((page) => streams[0]!.push(page));
  await turn();
  const acme = edge.tenant(TENANT)!;
  const aad = sealAad('raw', acme.uuid, newUuid(NOW_MS));
  const box = acme.boxFor(NOW_MS)!;
  expect([box.keyId, acme.boxFor(NOW_MS + DAY_MS)]).toEqual([KEY.id, box]);
  expect(acme.boxFor(NOW_MS + 7 * DAY_MS)!.keyId).toEqual(NEXT_KEY.id);
  expect(acme.boxFor(NOW_MS - DAY_MS)).toBeUndefined();
  expect(
    acme
      .box(KEY.id)!
      .open(box.seal(Buffer.from('x'), aad), aad)
      .toString(),
  ).toBe('x');
  expect(acme.box(newUuid(3))).toBeUndefined();
});

test('B9 keys are forgotten after two hours without a word, and come back with the next snapshot', async () => {
  const { streams, clock, peer } = await start();
  snapshot.forEach((page) => streams[0]!.push(page));
  await turn();
  peer.isDown = true;
  streams[0]!.destroy();
  clock.advance(2 * 3_600_000 - 1);
  const acme = edge.tenant(TENANT)!;
  expect([acme.boxFor(NOW_MS) !== undefined, acme.hashKey?.length]).toEqual([true, 32]);
  clock.advance(1);
  expect([acme.boxFor(NOW_MS), acme.box(KEY.id), acme.hashKey]).toEqual([undefined, undefined, undefined]);
  await new Promise((done) => setTimeout(done, 1_100)); // the check clears the memory, too
  expect(JSON.stringify(acme)).not.toContain(KEY.key.toJSON().data.join(','));
  peer.isDown = false;
  await until(() => streams.length === 2);
  snapshot.forEach((page) => streams[1]!.push(page));
  await turn();
  expect(edge.tenant(TENANT)!.boxFor(NOW_MS)!.keyId).toEqual(KEY.id);
});

test('I1 one configuration that cannot be used does not take its neighbours with it', async () => {
  const { streams } = await start();
  streams[0]!.push(
    answer({
      version: 1n,
      snapshotComplete: true,
      destinations: [destination({ id: id('dst'), headersJson: '{' }), destination()],
    }),
  );
  await turn();
  expect(edge.destinationsOf(TENANT).map((each) => each.id)).toEqual([DESTINATION]);
  expect([edge.isReady, streams[0]!.confirmed]).toEqual([true, [1n]]);
});

test('I1 a listener that throws does not keep the others from hearing', async () => {
  const { streams } = await start();
  const heard: string[] = [];
  edge.onChange(() => {
    throw new Error('bug');
  });
  edge.onChange(({ sources }) => heard.push(...sources));
  snapshot.forEach((page) => streams[0]!.push(page));
  await turn();
  expect([heard, streams[0]!.confirmed]).toEqual([[SOURCE], [5n]]);
});

test('I8 sends of the platform are paused and resumed, and count as paused as long as nothing is known', async () => {
  const { streams, changes } = await start();
  const stream = streams[0]!;
  expect(edge.isSendingPaused).toBe(true);
  stream.push(answer({ version: 1n, platform: { sendsPaused: true } }));
  stream.push(answer({ version: 1n, snapshotComplete: true }));
  await turn();
  expect([edge.isReady, edge.isSendingPaused]).toEqual([true, true]);
  stream.push(answer({ version: 2n, platform: { sendsPaused: false } }));
  await turn();
  expect([edge.isSendingPaused, stream.confirmed]).toEqual([false, [1n, 2n]]);
  expect(changes.map(({ isPlatformChanged }) => isPlatformChanged)).toEqual([true, true]);
  stream.push(answer({ version: 3n, platform: { sendsPaused: true } }));
  stream.push(answer({ version: 4n, tenants: [tenant()] }));
  await turn();
  expect(edge.isSendingPaused).toBe(true); // a change that does not name the platform leaves it
});

test.each([
  ['active', undefined, [false, false]],
  ['active', true, [false, true]],
  ['suspended', false, [true, true]],
] as const)('I8 a tenant that is %s, its sends paused: %s', async (status, sendsPaused, expected) => {
  const { streams } = await start();
  streams[0]!.push(
    answer({ version: 1n, snapshotComplete: true, tenants: [tenant({ status, sendsPaused })] }),
  );
  await turn();
  const { isSuspended, isSendingPaused } = edge.tenant(TENANT)!;
  expect([isSuspended, isSendingPaused]).toEqual(expected);
});

test('I8 a source that is paused, and one with credentials for its sends', async () => {
  const { streams } = await start();
  const credentialsJson = '{"accountSid":"AC1"}';
  const other = source({ id: id('src'), status: 'paused', credentialsJson });
  streams[0]!.push(answer({ version: 1n, snapshotComplete: true, sources: [source(), other] }));
  await turn();
  expect([edge.source(SOURCE)!.isPaused, edge.source(SOURCE)!.credentials]).toEqual([false, undefined]);
  expect([edge.source(other.id)!.isPaused, edge.source(other.id)!.credentials]).toEqual([
    true,
    credentialsJson,
  ]);
});
