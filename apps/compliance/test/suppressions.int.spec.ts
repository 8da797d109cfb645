import { formatId, newUuid } from '@posthorn/clock/id.js';
import { SuppressionQueryServiceService } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { READER_ROLE } from '../src/persistence/roles.js';
import { CALL, clock, House, type Tenant } from './harness.js';

const ACTOR = 'key_test';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let other: Tenant;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance suppressions');
  [acme, other] = house.tenants.tenants as [Tenant, Tenant];
  one = await house.start();
  await eventually(async () => expect((await fetch(`${one.healthUrl}/health/ready`)).status).toBe(200));
});
afterAll(() => house.close());

const create = (address: string, more: { channel?: string; reason?: string; scope?: string } = {}) =>
  one.changes.createSuppression(
    { tenantId: acme.id, actorId: ACTOR, address, channel: '', scope: '', reason: '', ...more },
    CALL,
  );
const remove = (id: string, tenant = acme, reason = 'asked by phone') =>
  one.changes.deleteSuppression({ tenantId: tenant.id, actorId: ACTOR, id, reason }, CALL);
const check = (address: string, channel = '', tenant = acme) =>
  one.query.checkAddress({ tenantId: tenant.id, address, channel }, CALL);
const list = (cursor = '', limit = 0, tenant = acme) =>
  one.query.listSuppressions(
    { tenantId: tenant.id, limit, cursor, personId: '', reason: '', channel: '', hasLifted: false },
    CALL,
  );
const stop = (address: string, atMs = clock.nowMs()) => {
  house.events.add(1, {
    tenantId: acme.uuid,
    eventId: newUuid(clock.nowMs()),
    personHash: acme.hashOf(address),
    signal: 'opt_out',
    occurredAtMs: atMs,
    receivedAtMs: clock.nowMs(),
  });
};
const suppressed = (address: string) =>
  eventually(async () => expect((await check(address)).isSuppressed).toBe(true));

test('E8 a suppression by hand covers its channel, however the address is written, and keeps who did it', async () => {
  const made = await create('Ada@Example.Test', { channel: 'email' });
  expect(made.suppression).toMatchObject({ channel: 'email', scope: 'all', reason: 'manual', eventId: '' });
  expect((await check('ada@example.test', 'email')).isSuppressed).toBe(true);
  expect((await check('ada@example.test', 'sms')).isSuppressed).toBe(false);
  expect((await check('ada@example.test')).isSuppressed).toBe(true);
  expect((await create('ada@example.test', { channel: 'email' })).suppression).toEqual(made.suppression);
  const { rows } = await house.db.query('SELECT actor_id FROM compliance.suppression');
  expect(rows).toEqual([{ actor_id: ACTOR }]);
});

test('E7 no address is stored anywhere', async () => {
  await create('+43 664 999 99 99');
  for (const table of ['suppression', 'consent_signal', 'outgoing']) {
    const { rows } = await house.db.query(`SELECT ${table}::text AS text FROM compliance.${table}`);
    expect(JSON.stringify(rows)).not.toMatch(/9999999|example/i);
  }
});

test('E8 lifting needs a reason, keeps the row, and works once', async () => {
  const address = newPhone();
  const { id } = (await create(address)).suppression!;
  await expect(remove(id, acme, ' ')).rejects.toMatchObject({ code: 'request.invalid' });
  await remove(id);
  expect((await check(address)).isSuppressed).toBe(false);
  await expect(remove(id)).rejects.toMatchObject({ code: 'suppression.not_found' });
  await expect(remove('sup_nonsense')).rejects.toMatchObject({ code: 'suppression.not_found' });
  const { rows } = await house.db.query(
    `SELECT lifted_by_actor_id, lifted_reason LIKE 'sealed:%' AS sealed FROM compliance.suppression WHERE person_hash = $1`,
    [acme.hashOf(address)],
  );
  expect(rows).toEqual([{ lifted_by_actor_id: ACTOR, sealed: true }]);
  const filter = {
    personId: formatId('per', acme.hashOf(address)),
    reason: '',
    channel: '',
    hasLifted: true,
  };
  const all = await one.query.listSuppressions({ tenantId: acme.id, limit: 0, cursor: '', ...filter }, CALL);
  expect(all.suppressions.map(({ liftedReason }) => liftedReason)).toEqual(['asked by phone']);
});

test('E3 an opt-out that staff took back stays back, until the person opts out again', async () => {
  const address = newPhone();
  const firstMs = clock.nowMs() - 600_000;
  stop(address, firstMs);
  await suppressed(address);
  await remove((await check(address)).suppressions[0]!.id);
  expect((await check(address)).isSuppressed).toBe(false);
  stop(address, firstMs - 60_000); // older than what was taken back, and late
  const probe = newPhone();
  stop(probe);
  await suppressed(probe);
  expect((await check(address)).isSuppressed).toBe(false);
  stop(address, firstMs + 1); // not known when it was taken back
  await suppressed(address);
});

test('E8 an opt-out taken by phone is told to the log; a STOP after it widens it to all channels', async () => {
  const address = newPhone();
  await create(address, { reason: 'opt_out', channel: 'sms' });
  const told = (of = address) =>
    [...house.events.appended.values()].filter(({ personHash }) => personHash.equals(acme.hashOf(of)));
  await eventually(() => expect(told()).toHaveLength(1));
  expect(told()[0]).toMatchObject({ type: 'consent.opted_out', attributes: { causedBy: Buffer.alloc(0) } });
  stop(address);
  await eventually(async () => expect((await check(address, 'email')).isSuppressed).toBe(true));
  expect((await check(address)).suppressions.map(({ channel }) => channel).sort()).toEqual(['all', 'sms']);
  // What is told goes in order: had the STOP been told, it would be there with what came after it.
  const later = newPhone();
  await create(later, { reason: 'opt_out' });
  await eventually(() => expect(told(later)).toHaveLength(1));
  expect(told()).toHaveLength(1);
});

test('B10 a tenant sees and changes only its own, also where the query forgets to say so', async () => {
  const address = newPhone();
  const { id } = (await create(address)).suppression!;
  expect((await check(address, '', other)).isSuppressed).toBe(false);
  expect((await list('', 500, other)).suppressions).toEqual([]);
  await expect(remove(id, other)).rejects.toMatchObject({ code: 'suppression.not_found' });
  const reader = house.db.database(READER_ROLE);
  const seen = (tenant: Tenant) =>
    reader.tenantTransaction(tenant.uuidText, (tx) =>
      tx.query('SELECT DISTINCT tenant_id FROM compliance.suppression'),
    );
  expect((await seen(other)).rows).toEqual([]);
  expect((await seen(acme)).rows).toEqual([{ tenant_id: acme.uuidText }]);
  expect((await reader.query('SELECT FROM compliance.suppression')).rowCount).toBe(0); // no tenant, no row
  await expect(
    reader.tenantTransaction(acme.uuidText, (tx) =>
      tx.query('UPDATE compliance.suppression SET lifted_at = now()'),
    ),
  ).rejects.toThrow(/permission denied/);
});

test('E8 lists are newest first, in pages', async () => {
  for (let count = 0; count < 5; count += 1) await create(newPhone());
  const all = (await list('', 500)).suppressions.map(({ id }) => id);
  expect(all).toEqual([...all].sort().reverse());
  const paged: string[] = [];
  let cursor = '';
  do {
    const page = await list(cursor, 2);
    paged.push(...page.suppressions.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== '');
  expect(paged).toEqual(all);
  await expect(list('nonsense')).rejects.toMatchObject({ code: 'request.invalid' });
});

test('B11 only api may ask, for a tenant that exists, with valid fields', async () => {
  const stranger = grpcClient(SuppressionQueryServiceService, one.channel('events'));
  await expect(
    stranger.checkAddress({ tenantId: acme.id, address: '+431234567', channel: '' }, CALL),
  ).rejects.toMatchObject({ code: 'caller.forbidden' });
  const unknown = { id: formatId('ten', newUuid(clock.nowMs())) } as Tenant;
  await expect(list('', 1, unknown)).rejects.toMatchObject({ code: 'tenant.not_found' });
  await expect(create('+431234567', { channel: 'pigeon' })).rejects.toMatchObject({
    code: 'request.invalid',
    fields: [{ path: 'channel' }],
  });
  await expect(create(' ')).rejects.toMatchObject({ code: 'request.invalid' });
});
