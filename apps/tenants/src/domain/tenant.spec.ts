import { AppError } from '@posthorn/errors/app-error.js';
import fc from 'fast-check';
import { checkTenant, chooseShards, SHARD_COUNT, TENANT_SHARDS } from './tenant.js';

const valid = { slug: 'acme', name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' };

/** The paths of the fields an action complains about. */
function wrongFields(action: () => void): string[] {
  try {
    action();
  } catch (error) {
    if (error instanceof AppError) return error.fields.map(({ path }) => path);
    throw error;
  }
  return [];
}

test('every wrong field of a tenant is named at once', () => {
  expect(wrongFields(() => checkTenant(valid))).toEqual([]);
  expect(
    wrongFields(() => checkTenant({ slug: 'A b', name: ' ', country: 'XQ', timeZone: 'Mars/Olympus' })),
  ).toEqual(['slug', 'name', 'country', 'timeZone']);
});

test.each([
  ['slug', ['-a', 'a-', 'a'.repeat(64), '', 'a_b', 'ä', 'ten_x']],
  ['name', ['', ' a', 'a'.repeat(201), 'a\u0000b', 'a\nb']],
  ['country', ['at', 'ZZ', 'AUT', '', '12']],
  ['timeZone', ['', '+02:00', 'Europe/Nowhere', 'Europe/Vienna; DROP', 'a'.repeat(65)]],
] as const)('a wrong %s is refused', (field, values) => {
  for (const value of values)
    expect([value, wrongFields(() => checkTenant({ ...valid, [field]: value }))]).toEqual([value, [field]]);
});

test('B10 a tenant gets distinct lanes that exist, whatever the dice say', () => {
  // Equal lanes would put a tenant's whole load on fewer workers; a lane beyond 63 has no reader.
  fc.assert(
    fc.property(fc.infiniteStream(fc.integer({ min: 0, max: SHARD_COUNT - 1 })), (dice) => {
      let rolls = 0;
      // A die that always shows the same ends by counting up.
      const random = (): number => (++rolls > 1000 ? rolls % SHARD_COUNT : dice.next().value!);
      const shards = chooseShards(random);
      expect(new Set(shards).size).toBe(TENANT_SHARDS);
      expect(shards.every((shard) => shard >= 0 && shard < SHARD_COUNT)).toBe(true);
    }),
  );
  expect(chooseShards()).toHaveLength(TENANT_SHARDS);
});
