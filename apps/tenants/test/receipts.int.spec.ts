import { createPublicKey, verify } from 'node:crypto';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { ConfigKind, ReceiptServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { ACTOR, CALL, House, type Instance, makeTenant, TestWatcher } from './harness.js';

let house: House;
let tenants: Instance;
let receipts: ReturnType<typeof grpcClient<typeof ReceiptServiceService>>;
beforeAll(async () => {
  house = await House.open('receipts');
  tenants = await house.start();
  receipts = grpcClient(ReceiptServiceService, tenants.channel('api'));
});
afterAll(() => house.close());

const sign = (receipt: object) => receipts.signReceipt({ receiptJson: JSON.stringify(receipt) }, CALL);
async function isValid(text: string, { keyId, signature }: { keyId: string; signature: Buffer }) {
  const { keys } = await receipts.listSigningKeys({}, CALL);
  const { publicKey } = keys.find(({ id }) => id === keyId)!;
  return verify(
    null,
    Buffer.from(text),
    createPublicKey({ key: publicKey, format: 'der', type: 'spki' }),
    signature,
  );
}

test('E6 a receipt verifies with the published key, whatever order it came in; an altered one does not', async () => {
  const signed = await sign({ type: 'person_erasure', rows: 1, id: 'req_1' });
  expect(signed.canonicalJson).toBe('{"id":"req_1","rows":1,"type":"person_erasure"}');
  expect(await isValid(signed.canonicalJson, signed)).toBe(true);
  expect(await isValid(signed.canonicalJson.replace('1,', '2,'), signed)).toBe(false);
  expect(await sign({ id: 'req_1', rows: 1, type: 'person_erasure' })).toEqual(signed);
});

test('E6 another process, or the same after a restart, signs with the same key; the key of checkpoints is the same', async () => {
  const signed = await sign({ type: 'tenant_deletion' });
  const second = await house.start();
  const there = grpcClient(ReceiptServiceService, second.channel('api'));
  expect(await there.signReceipt({ receiptJson: '{"type":"tenant_deletion"}' }, CALL)).toEqual(signed);
  const { rows } = await house.db.query('SELECT key_id FROM tenants.audit_key');
  expect([rows.length, (await there.listSigningKeys({}, CALL)).keys.map(({ id }) => id)]).toEqual([
    1,
    [signed.keyId],
  ]);
});

test('E6 nobody but the API has anything signed, and nothing but receipts', async () => {
  const stranger = grpcClient(ReceiptServiceService, tenants.channel('events'));
  await expect(
    stranger.signReceipt({ receiptJson: '{"type":"tenant_deletion"}' }, CALL),
  ).rejects.toMatchObject({
    code: 'caller.forbidden',
  });
  for (const receiptJson of ['', '{}', 'posthorn.audit.checkpoint.v1 x', '[{"type":"person_erasure"}]'])
    await expect(receipts.signReceipt({ receiptJson }, CALL)).rejects.toMatchObject({
      code: 'request.invalid',
    });
});

test('B6 what became of a deleted tenant is told for good; of one that lives, nothing', async () => {
  const { id } = await makeTenant(tenants);
  await expect(tenants.admin.getTenantDeletion({ tenantId: id }, CALL)).rejects.toMatchObject({
    code: 'tenant.not_found',
  });
  const { destroyedKeyIds } = await tenants.admin.deleteTenant({ actor: ACTOR, tenant: id }, CALL);
  const told = await tenants.admin.getTenantDeletion({ tenantId: id }, CALL);
  expect(told).toMatchObject({ tenantId: id, destroyedKeyIds, auditId: expect.stringMatching(/^aud_/) });
  const { rows } = await house.db.query<{ action: string }>(
    `SELECT action FROM tenants.audit WHERE action = 'tenant.deleted'`,
  );
  expect(rows).toHaveLength(1);
  await expect(tenants.admin.deleteTenant({ actor: ACTOR, tenant: id }, CALL)).rejects.toMatchObject({
    code: 'tenant.not_found',
  });
  expect(await tenants.admin.getTenantDeletion({ tenantId: id }, CALL)).toEqual(told);
  const hello = { service: 'compliance', instanceId: 'late', kinds: [ConfigKind.CONFIG_KIND_TENANTS] };
  const late = await TestWatcher.open(tenants.channel('compliance'), hello);
  expect((await late.snapshot()).flatMap(({ deletedTenantIds }) => deletedTenantIds)).toEqual([id]);
  late.end();
  for (const tenantId of ['', 'acme', 'ten_x'])
    await expect(tenants.admin.getTenantDeletion({ tenantId }, CALL)).rejects.toMatchObject({
      code: 'tenant.not_found',
    });
});
