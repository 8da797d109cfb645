import {
  ConfigKind as Kind,
  KeywordServiceService,
  type TenantConfig,
  type TenantKeywords,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { ACTOR, CALL, House, type Instance, makeTenant, TestWatcher } from './harness.js';

const INGRESS = [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_SOURCES];
const WORDS: TenantKeywords = { optOut: ['lopeta'], optIn: ['aloita'], help: ['apua'] };
const NONE: TenantKeywords = { optOut: [], optIn: [], help: [] };

let house: House;
let tenants: Instance;
let instances = 0;
beforeAll(async () => {
  house = await House.open('keywords');
  tenants = await house.start();
});
afterEach(() => house.db.query('DELETE FROM tenants.watcher'));
afterAll(() => house.close());

async function watch(options?: { confirms?: boolean }): Promise<TestWatcher> {
  const hello = { service: 'ingress', instanceId: `instance-${++instances}`, kinds: INGRESS };
  const watcher = await TestWatcher.open(tenants.channel('ingress'), hello, options);
  await watcher.snapshot();
  return watcher;
}
const seen = (watcher: TestWatcher, id: string): TenantConfig =>
  watcher.responses.flatMap((response) => response.tenants).findLast((each) => each.id === id)!;
const client = (instance: Instance = tenants, caller = 'api') =>
  grpcClient(KeywordServiceService, instance.channel(caller));
const announce = (tenant: string, keywords: TenantKeywords, instance = tenants) =>
  client(instance).setTenantKeywords(
    { actor: ACTOR, tenant, keywords, policyVersion: 0, keepFormer: true },
    CALL,
  );
const replace = (tenant: string, keywords: TenantKeywords, policyVersion: number, instance = tenants) =>
  client(instance).setTenantKeywords(
    { actor: ACTOR, tenant, keywords, policyVersion, keepFormer: false },
    CALL,
  );
const audited = async (tenant: string) =>
  (await tenants.admin.listAudit({ tenant, limit: 0, cursor: '', action: 'keywords.set' }, CALL)).entries;

test('E1 the words of a tenant reach the edge folded, now and in a snapshot; others have none', async () => {
  const [one, other] = [await makeTenant(tenants), await makeTenant(tenants)];
  const watcher = await watch();
  const set = await replace(one.slug, { ...WORDS, optOut: [' LOPETA! ', 'ＳＴＯＰＰＡＡ'] }, 1);
  expect(set).toMatchObject({
    keywords: { ...WORDS, optOut: ['lopeta', 'stoppaa'] },
    policyVersion: 1,
    applied: { pending: [] },
  });
  expect(seen(watcher, one.id).keywords).toEqual(set.keywords);
  const late = await watch();
  expect(seen(late, one.id).keywords).toEqual(set.keywords);
  expect(seen(late, other.id).keywords).toBeUndefined();
  await replace(one.id, NONE, 2);
  expect(seen(watcher, one.id).keywords).toBeUndefined();
  const [latest, first, ...more] = await audited(one.id);
  expect(more).toEqual([]);
  expect(JSON.parse(first!.detailJson)).toMatchObject({
    before: { optOut: [] },
    after: { optOut: ['lopeta', 'stoppaa'] },
  });
  expect(latest).toMatchObject({ actor: { id: ACTOR.id } });
  for (const each of [watcher, late]) each.end();
});

test('E1 the answer names who has not confirmed the words; repeated, it says when they are in force', async () => {
  const { id } = await makeTenant(tenants);
  const silent = await watch({ confirms: false });
  const late = await replace(id, WORDS, 1);
  expect(late.applied!.pending).toEqual([`ingress/instance-${instances}`]);
  silent.confirm(late.applied!.version);
  silent.end();
  const again = await watch();
  const repeated = await replace(id, WORDS, 1);
  expect(repeated.applied!.pending).toEqual([]);
  expect(repeated.applied!.version).toBeGreaterThan(late.applied!.version);
  expect(await audited(id)).toHaveLength(1);
  again.end();
});

test('E1 words of a policy that is not written yet stand beside the former ones; written, the former ones go', async () => {
  const { id } = await makeTenant(tenants);
  await replace(id, WORDS, 1);
  const next: TenantKeywords = { optOut: ['riittää'], optIn: ['lopeta'], help: [] };
  // "lopeta" stops as long as the policy in force says so.
  expect((await announce(id, next)).keywords).toEqual({
    ...{ optOut: ['lopeta', 'riittää'], optIn: ['aloita'], help: ['apua'] },
  });
  const told = await announce(id, next);
  expect(told.applied).toMatchObject({ version: 0n, pending: [] });
  expect(await replace(id, next, 2)).toMatchObject({ keywords: next, policyVersion: 2 });
  // The one whose turn is over comes late.
  expect(await replace(id, WORDS, 1)).toMatchObject({ keywords: next, policyVersion: 2 });
});

test('E1 what was announced and never written survives a restart, has a bound, and goes by the policy in force', async () => {
  const { id } = await makeTenant(tenants);
  await replace(id, WORDS, 7);
  const first = await house.start();
  const many = (name: string) => ({ ...NONE, optOut: Array.from({ length: 50 }, (_, n) => `${name} ${n}`) });
  await announce(id, many('a'), first);
  await first.close();
  const second = await house.start();
  await expect(announce(id, many('b'), second)).rejects.toMatchObject({
    code: 'limit.reached',
    fields: [{ path: 'keywords' }],
  });
  expect((await replace(id, WORDS, 7, second)).keywords).toEqual(WORDS);
  expect((await announce(id, many('b'), second)).keywords!.optOut).toHaveLength(51);
  await second.close();
});

test.each<[Partial<TenantKeywords>, string]>([
  [{ optIn: ['STOP'] }, 'keywords.optIn.0'],
  [{ help: ['sos', 'unsubscribe'] }, 'keywords.help.1'],
  [{ optOut: ['start'] }, 'keywords.optOut.0'],
  [{ optOut: ['...'] }, 'keywords.optOut.0'],
  [{ optOut: ['x'.repeat(41)] }, 'keywords.optOut.0'],
  [{ optOut: Array.from({ length: 51 }, (_, n) => `w${n}`) }, 'keywords.optOut'],
  [{ optOut: ['lopeta'], help: ['Lopeta'] }, 'keywords'],
])('E1 %j is refused and names the field', async (wrong, path) => {
  const { id } = await makeTenant(tenants);
  for (const set of [announce(id, { ...NONE, ...wrong }), replace(id, { ...NONE, ...wrong }, 1)])
    await expect(set).rejects.toMatchObject({ code: 'request.invalid', fields: [{ path }] });
  expect(await audited(id)).toEqual([]);
});

test('B10 only api and compliance set words, of a tenant that is there; a deleted tenant leaves none', async () => {
  const { id } = await makeTenant(tenants);
  const set = (caller: string, tenant: string) =>
    client(tenants, caller).setTenantKeywords(
      {
        actor: { id: 'service:compliance', kind: 'service', remoteAddress: '' },
        ...{ tenant, keywords: WORDS, policyVersion: 1, keepFormer: false },
      },
      CALL,
    );
  await expect(set('ingress', id)).rejects.toMatchObject({ code: 'caller.forbidden' });
  await expect(set('compliance', 'nobody')).rejects.toMatchObject({ code: 'tenant.not_found' });
  await set('compliance', id);
  await tenants.admin.deleteTenant({ actor: ACTOR, tenant: id }, CALL);
  await eventually(async () =>
    expect(
      (
        await house.db.query(
          `SELECT FROM tenants.tenant_keywords k JOIN tenants.tenant t USING (tenant_id) WHERE t.status = 'deleted'`,
        )
      ).rowCount,
    ).toBe(0),
  );
});
