import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant } from './harness.js';

const SHARD = 4;
const FORGED = 'unauthentic: event.unauthentic';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance unauthentic');
  [acme] = house.tenants.tenants as [Tenant];
  one = await house.start();
  await eventually(async () => expect((await fetch(`${one.healthUrl}/health/ready`)).status).toBe(200));
});
afterAll(() => house.close());

const said = (address: string, signal: string, unverified?: boolean) => ({
  ...{ tenantId: acme.uuid, eventId: newUuid(clock.nowMs()), personHash: acme.hashOf(address), signal },
  ...{ receivedAtMs: clock.nowMs(), storedAtMs: clock.nowMs(), channel: 'sms', type: 'message.received' },
  unverified,
});
/** The log tells it. @returns its ID. */
function tells(...of: Parameters<typeof said>): string {
  const fact = said(...of);
  house.events.add(SHARD, fact);
  return formatId('evt', fact.eventId);
}
const held = async (address: string) =>
  (await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL)).suppressions.map(
    ({ reason, eventId, unverified = false }) => ({ reason, eventId, unverified }),
  );
const holds = (address: string, expected: object[]) =>
  eventually(async () => expect(await held(address)).toEqual(expected), { timeoutMs: 15_000 });
const told = (address: string) =>
  [...house.events.appended.values()]
    .filter(({ personHash }) => personHash.equals(acme.hashOf(address)))
    .map(({ type, attributes }) => [type, attributes!.note]);
const history = async (address: string) => {
  const query = { tenantId: acme.id, personId: formatId('per', acme.hashOf(address)), limit: 0, cursor: '' };
  const { entries } = await one.personQuery.listPersonHistory(query, CALL);
  return entries.map(({ kind, what, unverified = false }) => [kind, what, unverified]);
};

test('A10 E5 a forged STOP stops, and all that follows from it says what it rests on; a forged START lifts nothing', async () => {
  // Would break: a tenant takes what a stranger made up for the person's word, or cannot tell why somebody is out.
  const phone = newPhone();
  const stop = tells(phone, 'opt_out', true);
  await holds(phone, [{ reason: 'opt_out', eventId: stop, unverified: true }]);
  await eventually(() => expect(told(phone)).toEqual([['consent.opted_out', FORGED]]));
  expect(await history(phone)).toEqual(
    expect.arrayContaining([
      ['signal', 'opted_out', true],
      ['suppressed', 'opt_out', true],
    ]),
  );
  tells(phone, 'opt_in', true);
  const probe = newPhone();
  tells(probe, 'opt_out');
  await eventually(async () => expect(await held(probe)).toMatchObject([{ unverified: false }]));
  expect(await held(phone)).toMatchObject([{ reason: 'opt_out', unverified: true }]);
});

test('A10 E1 what somebody vouches for afterwards rests on that, and is told', async () => {
  // Would break: staff lift what the person did ask for, since it looks made up; a destination that ignores what is
  // forged never hears of the true one.
  const [phone, mail] = [newPhone(), newPhone()];
  const reasons = { [phone]: 'opt_out', [mail]: 'complaint' };
  for (const [address, reason] of Object.entries(reasons)) {
    const forged = tells(address, reason, true);
    await holds(address, [{ reason, eventId: forged, unverified: true }]);
    tells(address, reason, true);
    const genuine = tells(address, reason);
    await holds(address, [{ reason, eventId: genuine, unverified: false }]);
    await eventually(() =>
      expect(told(address)).toEqual([
        ['consent.opted_out', FORGED],
        ['consent.opted_out', ''],
      ]),
    );
    // Once is enough, and what is forged takes nothing away from it.
    tells(address, reason);
    tells(address, reason, true);
    const probe = newPhone();
    tells(probe, 'complaint');
    await holds(probe, [expect.objectContaining({ reason: 'complaint' })]);
    expect(await held(address)).toEqual([{ reason, eventId: genuine, unverified: false }]);
    expect(told(address)).toHaveLength(2);
  }
});

test('A10 E1 a forged opt-out and a true one in one batch: the true one counts', async () => {
  const phone = newPhone();
  const facts = [said(phone, 'opt_out', true), said(phone, 'opt_out')];
  house.events.add(SHARD, ...facts);
  const eventId = formatId('evt', facts[1]!.eventId);
  await holds(phone, [{ reason: 'opt_out', eventId, unverified: false }]);
});

test('A10 E1 so does intake that has it applied before it answers, and a row that nobody applied', async () => {
  const [phone, alone] = [newPhone(), newPhone()];
  const { tenantId, eventId, personHash, signal, receivedAtMs, channel } = said(phone, 'opt_out');
  const asked = { tenantId, eventId, personHash, signal, receivedAtMs, channel, unverified: true };
  const place = { sourceId: Buffer.alloc(16), occurredAtMs: 0, provider: 'twilio', traceparent: '' };
  await one.signals.applySignals({ signals: [{ ...asked, ...place }] }, CALL);
  expect(await held(phone)).toMatchObject([{ unverified: true }]);
  await house.db.query(
    `INSERT INTO compliance.pending_signal (tenant_id, person_hash, event_id, channel, signal, is_unverified)
     VALUES ($1, $2, $3, 'sms', 'opt_out', true)`,
    [uuidText(acme.uuid), acme.hashOf(alone), uuidText(newUuid(clock.nowMs()))],
  );
  await eventually(async () => expect(await held(alone)).toMatchObject([{ unverified: true }]), {
    timeoutMs: 15_000,
  });
});
