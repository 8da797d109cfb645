import { ConfigKind as Kind, type Source } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { ACTOR, CALL, House, type Instance, makeTenant, TestWatcher } from './harness.js';

let house: House;
let tenants: Instance;
beforeAll(async () => {
  house = await House.open('hidden-settings');
  tenants = await house.start();
});
afterAll(() => house.close());

test('B6 a setting that its provider calls secret is never shown, stays when it is not named, and reaches the edge', async () => {
  // Would break: who may read sources answers Meta's question of whose endpoint it is.
  const { id: tenant } = await makeTenant(tenants);
  const watcher = await TestWatcher.open(tenants.channel('ingress'), {
    ...{ service: 'ingress', instanceId: 'hidden', kinds: [Kind.CONFIG_KIND_SOURCES] },
  });
  const made = await tenants.admin.createSource(
    {
      ...{ actor: ACTOR, tenant, name: 'W', provider: 'whatsapp', secret: 'an-app-secret-of-meta' },
      settingsJson: '{"verifyToken":"the-first-word","maxBodyBytes":2000}',
    },
    CALL,
  );
  const { id } = made.source!;
  const update = async (settingsJson: string) =>
    (await tenants.admin.updateSource({ actor: ACTOR, tenant, id, settingsJson }, CALL)).source!;
  const atEdge = () =>
    JSON.parse(
      watcher.responses.flatMap(({ sources }) => sources.filter((source) => source.id === id)).at(-1)
        ?.settingsJson ?? '{}',
    ) as object;
  const shown = async (): Promise<Source[]> => [
    (await tenants.admin.getSource({ tenant, id }, CALL)).source!,
    ...(await tenants.admin.listSources({ tenant, limit: 0, cursor: '' }, CALL)).sources,
  ];
  for (const source of [made.source!, ...(await shown())])
    expect(source).toMatchObject({ settingsJson: '{"maxBodyBytes":2000}', hiddenSettings: ['verifyToken'] });

  const changed = await update('{"maxBodyBytes":3000}');
  expect(changed).toMatchObject({ settingsJson: '{"maxBodyBytes":3000}', hiddenSettings: ['verifyToken'] });
  await eventually(() =>
    expect(atEdge()).toMatchObject({ verifyToken: 'the-first-word', maxBodyBytes: 3_000 }),
  );
  expect(JSON.stringify(await update('{"verifyToken":"the-second-word"}'))).not.toContain('-word');
  await eventually(() => expect(atEdge()).toMatchObject({ verifyToken: 'the-second-word' }));
  await update('{"verifyToken":null}');
  for (const source of await shown()) expect(source.hiddenSettings).toEqual([]);
  await eventually(() => expect(atEdge()).toEqual({ maxBodyBytes: 3_000 }));
  watcher.end();
});
