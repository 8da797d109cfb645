import { formatId, newUuid } from '@posthorn/clock/id.js';
import { type RecordKey, TenantConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { EdgeTenant } from './edge-tenant.js';

const KEY: RecordKey = { id: newUuid(1), key: Buffer.alloc(32, 7) };
const AAD = Buffer.from('aad');
const tenantWith = (recordKey: RecordKey | undefined, mayUseKeys = () => true): EdgeTenant =>
  new EdgeTenant(
    {
      ...TenantConfig.decode(Buffer.alloc(0)),
      id: formatId('ten', newUuid(2)),
      ...(recordKey === undefined ? {} : { recordKey }),
    },
    mayUseKeys,
  );

test('B6 the record key seals and opens, and is no data key', () => {
  const tenant = tenantWith(KEY);
  const sealed = tenant.recordBox!.seal(Buffer.from('a note'), AAD);
  expect(tenantWith(KEY).recordBox!.open(sealed, AAD).toString()).toBe('a note');
  expect(tenant.box(KEY.id)).toBeUndefined();
});

test('B6 a record key that was forgotten, may not be used, or could not be opened is not one that there is not', () => {
  // Would break: compliance would write in the clear what its tenant has sealed.
  const forgotten = tenantWith(KEY);
  forgotten.evictKeys();
  const late = tenantWith(KEY, () => false);
  const unopened = tenantWith({ ...KEY, key: Buffer.alloc(0) });
  for (const tenant of [forgotten, late, unopened])
    expect([tenant.hasRecordKey, tenant.recordBox]).toEqual([true, undefined]);
  const without = tenantWith(undefined);
  expect([without.hasRecordKey, without.recordBox]).toEqual([false, undefined]);
});
