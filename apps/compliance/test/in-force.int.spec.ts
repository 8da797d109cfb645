import fc from 'fast-check';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { personLock } from '../src/domain/person.js';
import { CALL, clock, House, type Tenant } from './harness.js';
import { linkRequest, permitRequest } from './requests.js';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let intake: Database;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance in force');
  [acme] = house.tenants.tenants as [Tenant];
  intake = await house.intake();
  one = await house.start();
  await eventually(async () => expect((await ask(newPhone())).decision).toBe('allow'));
});
afterAll(() => house.close());

const ask = (address: string) => one.permits.requestPermit(permitRequest(acme, address), CALL);
const close = (permitId: string) =>
  one.permits.closePermit({ tenantId: acme.id, permitId, outcome: 'sent' }, CALL);
const link = (address: string, other: string) =>
  one.persons.linkPersons(linkRequest(acme, personIdOf(address), other), CALL);
const personIdOf = (address: string): string => formatId('per', acme.hashOf(address));

/** What intake is answered about these, as its role asks. */
const inForce = async (addresses: readonly string[], tenant = acme.uuidText): Promise<string[]> => {
  const { rows } = await intake.query<{ places: number[] }>(
    'SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[]) AS places',
    [addresses.map(() => tenant), addresses.map((address) => acme.hashOf(address))],
  );
  return rows[0]!.places.map((place) => addresses[place - 1]!);
};

test('E1 nothing was permitted: in force; a permit is open: not, until it is closed', async () => {
  const [free, used] = [newPhone(), newPhone()];
  const { permitId } = await ask(used);
  expect(await inForce([used, free, used])).toEqual([free]);
  await close(permitId);
  expect(await inForce([used, free])).toEqual([used, free]);
});

test('E1 a permit that has expired is none', async () => {
  const address = newPhone();
  await ask(address);
  expect(await inForce([address])).toEqual([]);
  await eventually(async () => expect(await inForce([address])).toEqual([address]));
});

test('E7 the open permit of one who is linked counts', async () => {
  const [phone, other] = [newPhone(), newPhone()];
  await link(phone, other);
  const { permitId } = await ask(other);
  expect(await inForce([phone, other])).toEqual([]);
  await close(permitId);
  expect(await inForce([phone, other])).toEqual([phone, other]);
});

test('E1 while somebody gives a permit, or writes what was said, nothing is claimed and nobody waits', async () => {
  const [busy, free] = [newPhone(), newPhone()];
  const lock = String(personLock({ tenantId: acme.uuidText, hash: acme.hashOf(busy) }));
  for (const mode of ['_shared', '']) {
    await house.db.database('posthorn_compliance').transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock${mode}($1::bigint)`, [lock]);
      expect(await inForce([busy, free])).toEqual([free]);
    });
  }
  expect(await inForce([busy, free])).toEqual([busy, free]);
});

test.each(['repeatable read', 'serializable'])(
  'E1 under %s nothing is claimed: the permit that was just given would not be seen',
  async (level) => {
    const address = newPhone();
    await intake.transaction(async (tx) => {
      await tx.query(`SET TRANSACTION ISOLATION LEVEL ${level}`);
      const { rows } = await tx.query<{ places: number[] }>(
        'SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[]) AS places',
        [[acme.uuidText], [acme.hashOf(address)]],
      );
      expect(rows[0]!.places).toEqual([]);
    });
    expect(await inForce([address])).toEqual([address]);
  },
);

test('E1 it leaves no lock behind, and holds those that it takes until its statement ends', async () => {
  const address = newPhone();
  await intake.transaction(async (tx) => {
    await tx.query('SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[])', [
      [acme.uuidText],
      [acme.hashOf(address)],
    ]);
    expect(await inForce([address])).toEqual([]);
  });
  expect(await inForce([address])).toEqual([address]);
});

test('E1 persons have the same locks there as here, whoever they are', async () => {
  // Would break: intake would hold a lock that nobody else takes, and see no permit that is being given.
  const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
  const person = fc.record({ tenantId: bytes16.map(uuidText), hash: bytes16 });
  const persons = fc.sample(person, 200);
  await intake.transaction(async (tx) => {
    await tx.query('SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[])', [
      persons.map(({ tenantId }) => tenantId),
      persons.map(({ hash }) => hash),
    ]);
    const { rows } = await house.db.query<{ lock: string }>(
      `SELECT (classid::bigint << 32 | objid::bigint)::text AS lock FROM pg_locks
       WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ExclusiveLock'`,
    );
    const held = new Set(rows.map(({ lock }) => lock));
    expect(persons.filter((each) => !held.has(String(personLock(each))))).toEqual([]);
  });
});

test('E6 of a tenant whose key of persons was changed nothing is claimed: its persons have other names', async () => {
  const [address, tenant] = [newPhone(), uuidText(newUuid(clock.nowMs()))];
  expect(await inForce([address], tenant)).toEqual([address]);
  await house.db.query('INSERT INTO compliance.person_key (tenant_id, generation) VALUES ($1, 1)', [tenant]);
  expect(await inForce([address], tenant)).toEqual([]);
});

test('F2 the role of intake learns no more than that', async () => {
  for (const query of [
    'SELECT given_at FROM compliance.permit',
    'SELECT is_marketing FROM compliance.permit',
    'SELECT lock FROM compliance.person_link',
    'SELECT generation FROM compliance.person_key',
    'SELECT tenant_id FROM compliance.pending_signal',
    'SELECT tenant_id FROM compliance.suppression',
    'SELECT tenant_id FROM compliance.decision',
    'DELETE FROM compliance.permit',
  ])
    await expect(intake.query(query)).rejects.toThrow(/permission denied/);
});
