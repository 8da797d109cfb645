import { DestinationReportServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { ACTOR, CALL, House, type Instance, makeDestination, makeTenant } from './harness.js';

let house: House;
let instance: Instance;
let reports: ReturnType<typeof grpcClient<typeof DestinationReportServiceService>>;
beforeAll(async () => {
  house = await House.open('disabled destinations');
  instance = await house.start();
  reports = grpcClient(DestinationReportServiceService, instance.channel('dispatcher'));
}, 60_000);
afterAll(() => house?.close());

const report = (tenantId: string, destinationId: string, generation: number, reason = 'gone') =>
  reports.disableDestination(
    {
      ...{ tenantId, destinationId, generation, reason, failingSinceMs: 1_700_000_000_000 },
      ...{ lastStatus: 410, lastOutcome: 'http_error' },
    },
    CALL,
  );
const change = async (tenant: string, id: string, fields: object) =>
  (
    await instance.admin.updateDestination(
      {
        ...{ actor: ACTOR, tenant, id, eventTypes: [], replaceEventTypes: false },
        ...{ include: [], replaceInclude: false, ...fields },
      },
      CALL,
    )
  ).destination!;
const get = async (tenant: string, id: string) =>
  (await instance.admin.getDestination({ tenant, id }, CALL)).destination!;
const generationOf = async (): Promise<number> =>
  (
    await house.db.query<{ generation: number }>(
      'SELECT generation FROM tenants.destination ORDER BY destination_id DESC LIMIT 1',
    )
  ).rows[0]!.generation;
const audited = async (tenant: string) =>
  (await instance.admin.listAudit({ tenant, limit: 50, cursor: '', action: 'destination.disabled' }, CALL))
    .entries;

async function make() {
  const tenant = await makeTenant(instance);
  const { destination } = await makeDestination(instance, tenant.id);
  return { tenant: tenant.id, id: destination!.id };
}

test('F4 a destination that is gone is disabled once, with its reason, and the audit log says by whom', async () => {
  const { tenant, id } = await make();
  const answers = await Promise.all([report(tenant, id, 1), report(tenant, id, 1)]);
  expect(answers).toEqual([{ disabled: true }, { disabled: true }]);
  expect(await get(tenant, id)).toMatchObject({ status: 'disabled', disabledReason: 'gone' });
  const [entry, ...more] = await audited(tenant);
  expect(more).toEqual([]);
  expect(entry).toMatchObject({ target: id, actor: { id: 'service:dispatcher', kind: 'service' } });
  expect(JSON.parse(entry!.detailJson)).toMatchObject({ after: { disabledReason: 'gone' }, lastStatus: 410 });
});

test('F4 enabling clears the reason, and what was reported of the time before disables nothing any more', async () => {
  const { tenant, id } = await make();
  await report(tenant, id, 1, 'failing');
  const enabled = await change(tenant, id, { status: 'active' });
  expect([enabled.status, enabled.disabledReason, enabled.disabledAtMs]).toEqual([
    'active',
    undefined,
    undefined,
  ]);
  // Told again, after an answer that was lost: it was disabled then, and stays enabled now.
  expect(await report(tenant, id, 1, 'failing')).toEqual({ disabled: true });
  expect((await get(tenant, id)).status).toBe('active');
  expect(await audited(tenant)).toHaveLength(1);
  expect(await report(tenant, id, 2)).toEqual({ disabled: true });
  expect(await audited(tenant)).toHaveLength(2);
});

test.each([
  ['a new URL', { url: 'https://other.example.com/hook' }],
  ['new headers', { headersJson: '{"x-token":"new"}' }],
  ['being enabled, although it is active', { status: 'active' }],
])('F4 %s makes a report of the former generation void', async (_what, fields) => {
  const { tenant, id } = await make();
  await change(tenant, id, { name: 'the same', url: 'https://receiver.example.com/hook' });
  expect(await generationOf()).toBe(1);
  await change(tenant, id, fields);
  expect(await generationOf()).toBe(2);
  expect(await report(tenant, id, 1)).toEqual({ disabled: false });
  expect((await get(tenant, id)).status).toBe('active');
});

test('F4 what somebody disabled has no reason of ours, and what is not there is nobody’s to disable', async () => {
  const { tenant, id } = await make();
  await change(tenant, id, { status: 'disabled' });
  expect(await report(tenant, id, 1)).toEqual({ disabled: false });
  expect((await get(tenant, id)).disabledReason).toBeUndefined();
  await instance.admin.deleteDestination({ actor: ACTOR, tenant, id }, CALL);
  expect(await report(tenant, id, 1)).toEqual({ disabled: false });
  expect(await report('ten_00000000000000000000000001', id, 1)).toEqual({ disabled: false });
  await expect(report(tenant, 'dst_1', 1)).rejects.toMatchObject({ code: 'request.invalid' });
  await expect(report(tenant, id, 1, 'whim')).rejects.toMatchObject({ code: 'request.invalid' });
});

test('F4 the version before, which knows of no generation, raises it by what it changes', async () => {
  const { tenant, id } = await make();
  await report(tenant, id, 1);
  const row = 'WHERE destination_id = (SELECT max(destination_id::text)::uuid FROM tenants.destination)';
  await house.db.query(`UPDATE tenants.destination SET status = 'active' ${row}`);
  expect((await get(tenant, id)).disabledReason).toBeUndefined();
  expect(await generationOf()).toBe(2);
  await house.db.query(`UPDATE tenants.destination SET url = 'https://new.example.com' ${row}`);
  expect(await generationOf()).toBe(3);
  expect(await report(tenant, id, 2)).toEqual({ disabled: false });
});
