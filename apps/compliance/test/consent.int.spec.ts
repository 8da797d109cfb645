import { formatId, idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { type Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant, UNAVAILABLE } from './harness.js';

const MINUTE = 60_000;
const PHONE = '+4366412345678';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let phones = 0;

/** A person nobody has heard of, so that tests do not meet. */
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance consent');
  [acme] = house.tenants.tenants as [Tenant];
  one = await house.start();
  await eventually(async () => expect((await fetch(`${one.healthUrl}/health/ready`)).status).toBe(200));
});
afterAll(() => house.close());

const signal = (kind: 'opt_out' | 'opt_in', address: string, fact: Partial<Fact> = {}): Partial<Fact> => ({
  tenantId: acme.uuid,
  eventId: newUuid(clock.nowMs()),
  personHash: acme.hashOf(address),
  signal: kind,
  receivedAtMs: clock.nowMs(),
  storedAtMs: clock.nowMs(),
  ...fact,
});
const check = (address: string, channel = '', tenant = acme) =>
  one.query.checkAddress({ tenantId: tenant.id, address, channel }, CALL);
const suppressed = (address: string, is = true) =>
  eventually(async () => expect((await check(address)).isSuppressed).toBe(is));
const outgoingOf = (address: string) =>
  [...house.events.appended.values()].filter(({ personHash }) => personHash.equals(acme.hashOf(address)));

/** Until everything given so far is applied and told: a signal that comes after it in the same shard is. */
async function settled(shard: number): Promise<void> {
  const probe = newPhone();
  house.events.add(shard, signal('opt_out', probe));
  await suppressed(probe);
  await eventually(() => expect(outgoingOf(probe)).toHaveLength(1));
}

test('E1 E4 a STOP is in force on every channel within a second, and is told to the log with its cause', async () => {
  const eventId = newUuid(clock.nowMs());
  const startMs = clock.monotonicMs();
  house.events.add(3, signal('opt_out', PHONE, { eventId, traceparent: '00-trace' }));
  await suppressed(PHONE);
  expect(clock.monotonicMs() - startMs).toBeLessThan(1_000);
  const { suppressions } = await check('whatsapp:+43 664 123 456 78', 'chat');
  expect(suppressions).toEqual([
    {
      id: expect.stringMatching(/^sup_/) as string,
      personHash: acme.hashOf(PHONE).toString('hex'),
      channel: 'all',
      scope: 'all',
      reason: 'opt_out',
      eventId: idOfUuid('evt', uuidText(eventId)),
      createdAtMs: expect.any(Number) as number,
      personId: formatId('per', acme.hashOf(PHONE)),
      liftedAtMs: 0,
      liftedReason: '',
    },
  ]);
  await eventually(() => expect(outgoingOf(PHONE)).toHaveLength(1));
  expect(outgoingOf(PHONE)[0]).toMatchObject({
    tenantId: acme.uuid,
    type: 'consent.opted_out',
    traceparent: '00-trace',
    attributes: { causedBy: eventId, channel: 'sms', signal: '' },
  });
  const { rows } = await house.db.query('SELECT * FROM compliance.consent_signal WHERE person_hash = $1', [
    acme.hashOf(PHONE),
  ]);
  expect(rows).toMatchObject([{ kind: 'opt_out', provider: 'twilio', channel: 'sms', actor_id: '' }]);
});

test('C3 the same signal again, and by another fact of its event, changes nothing', async () => {
  const address = newPhone();
  const stop = signal('opt_out', address);
  house.events.add(3, stop, { ...stop, type: 'message.delivered' });
  house.events.add(9, stop); // and from another shard
  house.events.add(3, signal('opt_out', address)); // a second STOP of a person who is out
  await suppressed(address);
  await settled(3);
  await settled(9);
  expect((await check(address)).suppressions).toHaveLength(1);
  await eventually(() => expect(outgoingOf(address)).toHaveLength(1));
  const signals = await house.db.query('SELECT FROM compliance.consent_signal WHERE person_hash = $1', [
    acme.hashOf(address),
  ]);
  expect(signals.rowCount).toBe(2);
});

test('E3 START lifts the opt-out; without one it says nothing; within a minute the opt-out wins', async () => {
  const now = clock.nowMs();
  const [a, b, c] = [newPhone(), newPhone(), newPhone()];
  const at = (minutes: number) => ({ occurredAtMs: now - 10 * MINUTE + minutes * MINUTE });
  house.events.add(4, signal('opt_out', a, at(0)), signal('opt_in', a, at(2)));
  house.events.add(4, signal('opt_in', b, at(0)));
  house.events.add(4, signal('opt_out', c, at(0)), signal('opt_in', c, at(0.9)));
  await settled(4);
  expect((await check(a)).isSuppressed).toBe(false);
  expect((await check(b)).isSuppressed).toBe(false);
  expect((await check(c)).isSuppressed).toBe(true);
  expect(outgoingOf(b)).toEqual([]);
  const { rows } = await house.db.query(
    `SELECT lifted_by_event_id IS NOT NULL AS by_event, lifted_reason FROM compliance.suppression
     WHERE person_hash = $1`,
    [acme.hashOf(a)],
  );
  expect(rows).toEqual([{ by_event: true, lifted_reason: 'opt_in' }]);
  await eventually(() =>
    expect(outgoingOf(a).map(({ type }) => type)).toEqual(['consent.opted_out', 'consent.opted_in']),
  );
});

test('D2 late signals, in shards of their own, end the same as those in order', async () => {
  const now = clock.nowMs();
  const at = (minute: number) => ({ occurredAtMs: now - 20 * MINUTE + minute * MINUTE });
  const story = (address: string) => [
    signal('opt_out', address, at(0)),
    signal('opt_in', address, at(5)),
    signal('opt_out', address, at(10)),
    signal('opt_in', address, at(10.5)),
  ];
  const orders = [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [2, 0, 3, 1],
    [1, 3, 0, 2],
  ];
  const people = orders.map(() => newPhone());
  for (const [person, order] of orders.entries()) {
    const signals = story(people[person]!);
    for (const index of order) {
      house.events.add(10 + index, signals[index]!);
      await settled(10 + index);
    }
  }
  for (const person of people) {
    expect((await check(person)).suppressions).toHaveLength(1);
    const types = outgoingOf(person).map(({ type }) => type);
    expect(types.at(-1)).toBe('consent.opted_out');
  }
});

test('C3 a transaction that ends half-way leaves nothing, and the next try does it all, once', async () => {
  const address = newPhone();
  // Breaks the last statement of the transaction: everything before it has been done by then.
  await house.db.query('ALTER TABLE compliance.outgoing RENAME TO outgoing_away');
  house.events.add(5, signal('opt_out', address));
  await eventually(async () => {
    const text = await (await fetch(`${one.healthUrl}/metrics`)).text();
    expect(text).toMatch(/posthorn_feed_failures_total\{[^}]*\} [1-9]/);
  });
  expect((await check(address)).isSuppressed).toBe(false);
  await house.db.query('ALTER TABLE compliance.outgoing_away RENAME TO outgoing');
  await suppressed(address);
  await eventually(() => expect(outgoingOf(address)).toHaveLength(1));
});

test('A7 signals that the broker lost are found, and the position is kept over a restart', async () => {
  const [a, b] = [newPhone(), newPhone()];
  house.events.isSilent = true;
  house.events.add(6, signal('opt_out', a));
  house.events.isSilent = false;
  await suppressed(a);
  house.events.add(6, ...Array.from({ length: 50 }, () => ({ tenantId: acme.uuid }))); // no signal in them
  await settled(6);
  await one.close();
  const { rows } = await house.db.query<{ fact_sequence: string }>(
    'SELECT fact_sequence FROM compliance.shard WHERE shard = 6',
  );
  expect(rows[0]!.fact_sequence).toBe(String(house.events.facts.get(6)!.length));
  house.events.add(6, signal('opt_out', b));
  one = await house.start();
  await suppressed(b);
});

test('A7 numbers of another epoch are read again from the first, and change nothing twice', async () => {
  const address = newPhone();
  const stop = signal('opt_out', address);
  house.events.add(7, stop);
  await suppressed(address);
  await eventually(() => expect(outgoingOf(address)).toHaveLength(1));
  house.events.epoch = 'two';
  house.events.facts.clear();
  house.events.add(7, stop, signal('opt_out', newPhone()));
  await settled(7);
  expect(outgoingOf(address)).toHaveLength(1);
  expect((await check(address)).suppressions).toHaveLength(1);
});

test('A7 the log is away, or its answer gets lost: every outgoing event arrives, numbered without a gap', async () => {
  const people = Array.from({ length: 20 }, newPhone);
  house.events.failure = { code: UNAVAILABLE, isAfterStoring: false };
  for (const person of people.slice(0, 10)) house.events.add(8, signal('opt_out', person));
  await suppressed(people[9]!);
  house.events.failure = { code: UNAVAILABLE, isAfterStoring: true };
  for (const person of people.slice(10)) house.events.add(8, signal('opt_out', person));
  const calls = house.events.calls;
  await eventually(() => expect(house.events.calls).toBeGreaterThan(calls + 1));
  house.events.failure = undefined;
  await eventually(() => {
    for (const person of people) expect(outgoingOf(person)).toHaveLength(1);
  });
  const numbers = [...house.events.appended.keys()].sort((a, b) => (a < b ? -1 : 1));
  expect(numbers).toEqual(numbers.map((_, at) => BigInt(at + 1)));
  await eventually(async () => {
    const { rows } = await house.db.query<{ value: string }>(
      `SELECT value FROM compliance.outgoing_counter WHERE name = 'relayed'`,
    );
    expect(rows[0]!.value).toBe(String(numbers.length));
  });
});

test('H2 what happened is counted', async () => {
  await settled(2);
  const text = await (await fetch(`${one.healthUrl}/metrics`)).text();
  expect(text).toMatch(/posthorn_consent_signals_total\{kind="opt_out"\} [1-9]/);
  expect(text).toMatch(/posthorn_consent_changes_total\{type="consent.opted_out"\} [1-9]/);
  expect(text).toMatch(/posthorn_opt_out_propagation_seconds_count [1-9]/);
});

test('A7 two instances share the shards; one that stops leaves no signal behind', async () => {
  const two = await house.start();
  const owners = async () =>
    (await house.db.query('SELECT DISTINCT owner FROM compliance.shard WHERE owner IS NOT NULL')).rowCount;
  await eventually(async () => expect(await owners()).toBe(2), { timeoutMs: 10_000 });
  const people = Array.from({ length: 64 }, newPhone);
  people.forEach((person, shard) => house.events.add(shard, signal('opt_out', person)));
  await two.close();
  for (const person of people) await suppressed(person);
  await eventually(() => {
    for (const person of people) expect(outgoingOf(person)).toHaveLength(1);
  });
});

test('I6 facts of a newer version, of unknown types, signals and channels, neither stop the shard nor hide a STOP among them', async () => {
  // Would break: during an upgrade the first fact of the new version would keep every later opt-out from being in force.
  const [before, odd, after] = [newPhone(), newPhone(), newPhone()];
  const strange = { signal: 'gesture', type: 'message.teleported', channel: 'hologram', state: 'elsewhere' };
  const unknownFields = { _unknownFields: { [(901 << 3) | 2]: [Buffer.from([3, 97, 98, 99])] } };
  house.events.add(
    11,
    signal('opt_out', before),
    { ...signal('opt_out', odd), ...strange, ...unknownFields },
    { ...signal('opt_out', after, { channel: 'hologram' }), ...unknownFields },
  );
  await suppressed(before);
  await suppressed(after);
  await settled(11);
  expect((await check(odd)).isSuppressed).toBe(false);
});
