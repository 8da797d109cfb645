import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { EdgeTenant, KeywordMeaning } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { ReconcileKeywords } from '../src/application/reconcile-keywords.js';
import { DEFAULT_POLICY, type TenantPolicy } from '../src/domain/sending-rules/tenant-policy.js';
import { PolicyStore } from '../src/persistence/policy.store.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { COMPLIANCE_SCHEMA } from '../src/persistence/schema.js';
import { clock } from './harness.js';

type Words = TenantPolicy['keywords'];
const WORDS: Words = { optOut: ['lopeta'], optIn: ['aloita'], help: ['apua'] };
const silent = { info: () => {}, warn: () => {}, error: () => {} } as never;
const policies = new PolicyStore();

let db: TestDatabase;
let database: ReturnType<TestDatabase['database']>;
beforeAll(async () => {
  db = await createTestDatabase('keywords', [COMPLIANCE_SCHEMA]);
  database = db.database(WORKER_ROLE);
});
afterAll(() => db.drop());

/** Tenants as the edge knows them, by hand: what is set is known at once. */
class FakeEdge {
  readonly known = new Map<string, { uuid: Buffer; keywords: Map<string, KeywordMeaning> }>();
  readonly set: [id: string, words: Words, version: number][] = [];
  isAway = false;
  isReady = true;
  tenants = () => [...this.known].map(([id, each]) => ({ id, ...each }) as unknown as EdgeTenant);

  add(words: Partial<Words> = {}): { id: string; uuid: string } {
    const uuid = newUuid(clock.nowMs());
    const id = formatId('ten', uuid);
    this.known.set(id, { uuid, keywords: mapOf(words) });
    return { id, uuid: uuidText(uuid) };
  }

  client = {
    set: async (id: string, words: Words, version: number): Promise<void> => {
      await Promise.resolve();
      if (this.isAway) throw new AppError('service.unavailable');
      this.set.push([id, words, version]);
      this.known.get(id)!.keywords = mapOf(words);
    },
  };
}
const mapOf = ({ optOut = [], optIn = [], help = [] }: Partial<Words>) =>
  new Map<string, KeywordMeaning>([
    ...optOut.map((word) => [word, 'opt_out'] as const),
    ...optIn.map((word) => [word, 'opt_in'] as const),
    ...help.map((word) => [word, 'help'] as const),
  ]);

const write = (tenantId: string, version: number, keywords: Words): Promise<boolean> =>
  database.transaction((tx) =>
    policies.add(tx, tenantId, {
      ...{ version, policy: { ...DEFAULT_POLICY, keywords }, actorId: 'key_1', createdAtMs: clock.nowMs() },
    }),
  );
const start = () => {
  const edge = new FakeEdge();
  return { edge, reconcile: new ReconcileKeywords(database, policies, edge, edge.client, silent) };
};

test('E1 a policy whose words never reached the edge: they are brought there once nobody is at work on it', async () => {
  const { edge, reconcile } = start();
  const [one, other] = [edge.add(), edge.add({ optOut: ['riittää'] })];
  await write(one.uuid, 1, { ...WORDS, optOut: ['vanha'] });
  await write(one.uuid, 2, WORDS);
  await write(other.uuid, 1, { optOut: ['riittää'], optIn: [], help: [] });
  expect([await reconcile.look(), edge.set]).toEqual([0, []]);
  expect(await reconcile.look()).toBe(1);
  expect(edge.set).toEqual([[one.id, WORDS, 2]]);
  expect([await reconcile.look(), await reconcile.look()]).toEqual([0, 0]);
});

test('E1 words that were announced for a policy that was never written go again', async () => {
  const { edge, reconcile } = start();
  const [never, before] = [
    edge.add({ optOut: ['lopeta'] }),
    edge.add({ ...WORDS, optOut: ['lopeta', 'uusi'] }),
  ];
  await write(before.uuid, 1, WORDS);
  await reconcile.look();
  expect(await reconcile.look()).toBe(2);
  expect(edge.set).toEqual([
    [never.id, DEFAULT_POLICY.keywords, 0],
    [before.id, WORDS, 1],
  ]);
});

test('E1 a change that is under way is left alone: only what stays the same between two looks is set', async () => {
  const { edge, reconcile } = start();
  const tenant = edge.add();
  await write(tenant.uuid, 1, WORDS);
  await reconcile.look();
  await write(tenant.uuid, 2, { ...WORDS, optOut: ['toinen'] });
  expect(await reconcile.look()).toBe(0);
  edge.known.get(tenant.id)!.keywords = mapOf({ optOut: ['toinen', 'lopeta'] });
  expect(await reconcile.look()).toBe(0);
  expect(await reconcile.look()).toBe(1);
});

test('E1 while tenants is away, or the configuration not here, nothing is lost', async () => {
  const { edge, reconcile } = start();
  const tenants = [edge.add(), edge.add()];
  for (const { uuid } of tenants) await write(uuid, 1, WORDS);
  edge.isReady = false;
  expect([await reconcile.look(), await reconcile.look()]).toEqual([0, 0]);
  edge.isReady = true;
  await reconcile.look();
  edge.isAway = true;
  expect(await reconcile.look()).toBe(0);
  edge.isAway = false;
  expect(await reconcile.look()).toBe(2);
});
