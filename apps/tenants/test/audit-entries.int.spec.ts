import { formatId, newUuid } from '@posthorn/clock/id.js';
import { AuditAppendServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { ACTOR, CALL, House, type Instance, makeSource, makeTenant } from './harness.js';

let house: House;
let tenants: Instance;
beforeAll(async () => {
  house = await House.open('audit-entries');
  tenants = await house.start();
});
afterAll(() => house.close());

const verify = (tenant: string) => tenants.audit.verifyAudit({ tenant, afterNumber: 0n }, CALL);
const appender = (service: string) => grpcClient(AuditAppendServiceService, tenants.channel(service));

describe('B8 audit entries of other services', () => {
  const entry = (tenantId: string, number: bigint, over: object = {}) => ({
    ...{
      number,
      tenantId,
      atMs: 1_700_000_000_000.7,
      actor: { id: 'key_9', kind: 'tenant', remoteAddress: '' },
    },
    ...{ action: 'handoff.claimed', target: 'cnv_1', detailJson: '{"a":1}' },
    ...over,
  });
  const originsOf = async (tenant: string) =>
    (await tenants.admin.listAudit({ tenant, limit: 500, cursor: '' }, CALL)).entries
      .map(({ origin }) => origin)
      .filter((origin) => origin !== '')
      .reverse();

  test('each is taken once, in order, whoever repeats it and however', async () => {
    const [one, two] = [await makeTenant(tenants), await makeTenant(tenants)];
    const all = Array.from({ length: 40 }, (_, index) =>
      entry(index % 3 === 0 ? two.id : one.id, BigInt(index + 1)),
    );
    const events = appender('events');
    await Promise.all(
      [all, all, all.slice(10, 20), [...all.slice(0, 5), ...all.slice(0, 5)], all].map((entries) =>
        events.appendAuditEntries({ entries }, CALL),
      ),
    );
    for (const { id } of [one, two]) {
      const own = all.filter(({ tenantId }) => tenantId === id).map(({ number }) => `events:${number}`);
      expect((await originsOf(id)).sort()).toEqual([...own].sort());
      expect(await verify(id)).toMatchObject({ valid: true, entries: BigInt(own.length) + 1n });
    }
    await appender('dispatcher').appendAuditEntries({ entries: [entry(one.id, 2n)] }, CALL);
    expect(await originsOf(one.id)).toContain('dispatcher:2');
    const { entries } = await tenants.admin.listAudit({ tenant: one.id, limit: 1, cursor: '' }, CALL);
    expect(entries[0]).toMatchObject({
      atMs: 1_700_000_000_000,
      detailJson: '{"a":1}',
      actor: { id: 'key_9' },
    });
  });

  test('one that can never be taken is named and holds up nobody', async () => {
    const { id } = await makeTenant(tenants);
    const stranger = formatId('ten', newUuid(1));
    const bad: object[] = [
      { tenantId: stranger },
      { tenantId: 'acme' },
      { action: 'Something' },
      { detailJson: 'no JSON' },
      { detailJson: JSON.stringify({ a: 'x'.repeat(20_000) }) },
      { target: 'a\0b' },
      { target: 'x'.repeat(201) },
      { actor: undefined },
      { actor: { id: 'key_1', kind: 'god', remoteAddress: '' } },
      { atMs: Number.NaN },
    ];
    const entries = [
      entry(id, 100n),
      ...bad.map((over, index) => entry(id, BigInt(101 + index), over)),
      entry('', 150n),
      entry(id, 151n),
    ];
    const { refusedNumbers } = await appender('compliance').appendAuditEntries({ entries }, CALL);
    expect(refusedNumbers).toEqual(bad.map((_, index) => BigInt(101 + index)));
    expect(await originsOf(id)).toEqual(['compliance:100', 'compliance:151']);
    expect(await originsOf('')).toContain('compliance:150');
    await expect(
      appender('compliance').appendAuditEntries(
        { entries: Array.from({ length: 501 }, (_, n) => entry(id, BigInt(n + 1_000))) },
        CALL,
      ),
    ).rejects.toMatchObject({ code: 'request.invalid' });
    await expect(appender('ingress').appendAuditEntries({ entries: [] }, CALL)).rejects.toMatchObject({
      code: 'caller.forbidden',
    });
  });

  test('B5 a look at personal data is in the log before it is answered', async () => {
    const { id, slug } = await makeTenant(tenants);
    const record = (over: object = {}) =>
      appender('api').recordAccess(
        { actor: ACTOR, tenant: slug, action: 'payload.read', target: 'evt_1', detailJson: '', ...over },
        CALL,
      );
    const made = await record();
    const { entries } = await tenants.admin.listAudit(
      { tenant: id, limit: 0, cursor: '', action: 'payload.*' },
      CALL,
    );
    expect(entries).toMatchObject([{ id: made.id, action: 'payload.read', target: 'evt_1', actor: ACTOR }]);
    for (const over of [{ action: 'x' }, { target: '' }, { detailJson: '[]' }, { actor: undefined }])
      await expect(record(over)).rejects.toMatchObject({ code: 'request.invalid' });
    const refused = await record({ tenant: '', action: 'authentication.refused', target: 'api' });
    const ofPlatform = await tenants.admin.listAudit({ tenant: '', limit: 1, cursor: '' }, CALL);
    expect(ofPlatform.entries).toMatchObject([{ id: refused.id, action: 'authentication.refused' }]);
    await expect(record({ tenant: 'nobody-there' })).rejects.toMatchObject({ code: 'tenant.not_found' });
  });
});

test('B8 the log is filtered by actor, action, target and time, and exported in order with its hashes', async () => {
  const { id } = await makeTenant(tenants);
  const source = await makeSource(tenants, id);
  await makeSource(tenants, id);
  await tenants.admin.deleteSource({ actor: { ...ACTOR, id: 'key_2' }, tenant: id, id: source.id }, CALL);
  const actions = async (filter: object) =>
    (await tenants.admin.listAudit({ tenant: id, limit: 0, cursor: '', ...filter }, CALL)).entries.map(
      ({ action }) => action,
    );
  expect(await actions({ action: 'source.created' })).toEqual(['source.created', 'source.created']);
  expect(await actions({ action: 'source.*' })).toHaveLength(3);
  expect(await actions({ action: 'source' })).toEqual([]);
  expect(await actions({ actorId: 'key_2' })).toEqual(['source.deleted']);
  expect(await actions({ target: source.id })).toEqual(['source.deleted', 'source.created']);
  const nowMs = tenants.process.clock.nowMs();
  expect(await actions({ fromMs: nowMs - 60_000, toMs: nowMs + 1 })).toHaveLength(4);
  expect(await actions({ fromMs: nowMs + 60_000 })).toEqual([]);
  const exported = [];
  let afterNumber = 0n;
  do {
    const page = await tenants.audit.exportAudit({ tenant: id, afterNumber, limit: 3 }, CALL);
    exported.push(...page.entries);
    afterNumber = page.nextAfterNumber;
  } while (afterNumber !== 0n);
  expect(exported.map(({ number }) => number)).toEqual([1n, 2n, 3n, 4n]);
  expect(new Set(exported.map(({ hash }) => hash!.toString('hex'))).size).toBe(4);
  expect(
    (await tenants.admin.listAudit({ tenant: '', limit: 0, cursor: '' }, CALL)).entries.at(-1)!.action,
  ).toBe('operator_key.installed');
});

test('B8 the log of a deleted tenant stays, under its ID', async () => {
  const { id, slug } = await makeTenant(tenants);
  await tenants.admin.deleteTenant({ actor: ACTOR, tenant: id }, CALL);
  const list = (tenant: string) => tenants.admin.listAudit({ tenant, limit: 0, cursor: '' }, CALL);
  expect((await list(id)).entries.map(({ action }) => action)).toEqual(['tenant.deleted', 'tenant.created']);
  expect(await verify(id)).toMatchObject({ valid: true, entries: 2n });
  for (const gone of [slug, formatId('ten', newUuid(1))])
    await expect(list(gone)).rejects.toMatchObject({ code: 'tenant.not_found' });
});
