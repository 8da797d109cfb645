import { newUuid } from '@posthorn/clock/id.js';
import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant } from './harness.js';

const ACTOR = 'key_test';
const HOUR = 3_600_000;
const SHARD = 4;

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let mailboxes = 0;
const newMailbox = (): string => `m${(mailboxes += 1)}@x.test`;
let beginMs = 0;

beforeAll(async () => {
  house = await House.open('compliance soft bounces');
  [acme] = house.tenants.tenants as [Tenant];
  one = await house.start();
  await eventually(async () => expect((await fetch(`${one.healthUrl}/health/ready`)).status).toBe(200));
  beginMs = clock.nowMs() - 100 * HOUR;
});
afterAll(() => house.close());

const fact = (address: string, hour: number, more: Partial<Fact>): Partial<Fact> => ({
  ...{ tenantId: acme.uuid, eventId: newUuid(clock.nowMs()), personHash: acme.hashOf(address) },
  ...{ channel: 'email', receivedAtMs: clock.nowMs(), storedAtMs: clock.nowMs(), signal: '' },
  ...{ occurredAtMs: beginMs + hour * HOUR, ...more },
});
/** A mail is put off; it may come through at a later try. */
const deferred = (address: string, hour: number, messageId = newUuid(clock.nowMs())) =>
  fact(address, hour, { messageId, type: 'message.queued', state: 'queued', signal: 'soft_bounce' });
const delivered = (address: string, hour: number, messageId = newUuid(clock.nowMs())) =>
  fact(address, hour, { messageId, type: 'message.delivered', state: 'delivered' });

const reasons = async (address: string) =>
  (await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL)).suppressions.map(
    ({ reason }) => reason,
  );
/** Until all facts of the shard so far are applied. */
async function applied(): Promise<void> {
  const probe = newMailbox();
  house.events.add(SHARD, fact(probe, 0, { signal: 'complaint' }));
  await eventually(async () => expect(await reasons(probe)).toEqual(['complaint']));
}
const keptOf = async (...addresses: string[]): Promise<number> => {
  const { rows } = await house.db.query<{ n: string }>(
    'SELECT count(*) AS n FROM compliance.mail_delivery WHERE person_hash = ANY ($1)',
    [addresses.map(acme.hashOf)],
  );
  return Number(rows[0]!.n);
};
const saidOf = (address: string): string[] =>
  [...house.events.appended.values()]
    .filter(({ personHash }) => personHash.equals(acme.hashOf(address)))
    .map(({ type, attributes }) => `${type} ${attributes!.status}`);
const shuffled = <T>(list: readonly T[]): T[] =>
  list
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);

test('E1 an address that takes each mail at a later try is not dead, however many mails it gets', async () => {
  // Would break: a mailbox behind a greylist would be suppressed with the fifth mail of a month.
  const [healthy, dead] = [newMailbox(), newMailbox()];
  for (let mail = 0; mail < 8; mail += 1) {
    const messageId = newUuid(clock.nowMs());
    const tries = [0, 1, 2].map((more) => deferred(healthy, 10 * mail + more, messageId));
    house.events.add(SHARD, ...tries, delivered(healthy, 10 * mail + 3, messageId));
    await applied();
  }
  expect(await reasons(healthy)).toEqual([]);
  house.events.add(SHARD, delivered(dead, 0), ...[1, 2, 3, 4].map((hour) => deferred(dead, hour)));
  await applied();
  expect(await reasons(dead)).toEqual([]);
  house.events.add(SHARD, deferred(dead, 5), delivered(dead, 6));
  await applied();
  expect(await reasons(dead)).toEqual(['soft_bounce']);
});

test('E1 a delivery that nobody vouches for ends no count, and no suppression; a bounce that nobody vouches for counts', async () => {
  // Would break: whoever can post to a source that only monitors could have a dead address written to again.
  const [counted, refuted] = [newMailbox(), newMailbox()];
  const forged = { unverified: true };
  house.events.add(SHARD, ...[0, 10, 20, 30].map((hour) => deferred(counted, hour)));
  house.events.add(SHARD, { ...delivered(counted, 35), ...forged }, { ...deferred(counted, 40), ...forged });
  house.events.add(SHARD, ...[0, 10, 20, 30, 40].map((hour) => deferred(refuted, hour)));
  house.events.add(SHARD, { ...delivered(refuted, 25), ...forged });
  await applied();
  for (const address of [counted, refuted]) expect(await reasons(address)).toEqual(['soft_bounce']);
  expect(await keptOf(counted, refuted)).toBe(0);
  house.events.add(SHARD, delivered(refuted, 25));
  await applied();
  expect(await reasons(refuted)).toEqual([]);
});

test('E3 an opt-in that nobody vouches for opens nothing; an opt-out that nobody vouches for closes', async () => {
  const person = newMailbox();
  const said = (signal: string, hour: number, unverified?: boolean) =>
    fact(person, hour, { type: 'message.received', state: 'received', channel: 'sms', signal, unverified });
  house.events.add(SHARD, said('opt_out', 0, true));
  await applied();
  expect(await reasons(person)).toHaveLength(1);
  house.events.add(SHARD, said('opt_in', 10, true));
  await applied();
  expect(await reasons(person)).toHaveLength(1);
  house.events.add(SHARD, said('opt_in', 20));
  await applied();
  expect(await reasons(person)).toEqual([]);
});

test('B10 of mails to people without soft bounces nothing is kept, nor of other channels', async () => {
  const [quiet, bounced] = [newMailbox(), newMailbox()];
  house.events.add(
    SHARD,
    ...[1, 2, 3].map((hour) => delivered(quiet, hour)),
    deferred(bounced, 1),
    { ...delivered(bounced, 2), channel: 'sms' },
    fact(bounced, 2, { type: 'message.sent', state: 'sent' }),
  );
  await applied();
  expect(await keptOf(quiet, bounced)).toBe(0);
  house.events.add(SHARD, delivered(bounced, 3), fact(bounced, 4, { type: 'message.read', state: 'read' }));
  await applied();
  expect(await keptOf(bounced)).toBe(2);
});

test('D2 E1 bounces and deliveries decide alike in whatever order, and batches, they come', async () => {
  const hours = [0, 10, 20, 30, 40];
  const orders = Array.from({ length: 12 }, (_, at) => {
    const isDead = at % 2 === 0;
    const address = newMailbox();
    const [first, ...others] = hours.map((hour) => deferred(address, hour));
    const mails = (isDead ? [-5, 45, 50] : [5, 15, 25, 35]).map((hour) => delivered(address, hour));
    return { address, isDead, facts: [first!, ...shuffled([...others, ...mails])] };
  });
  for (let place = 0; place < 9; place += 1) {
    const facts = orders.flatMap((order) => order.facts.slice(place, place + 1));
    house.events.add(SHARD, ...facts);
    if (place % 3 === 0) await applied();
  }
  await applied();
  for (const { address, isDead } of orders)
    expect([address, await reasons(address)]).toEqual([address, isDead ? ['soft_bounce'] : []]);
});

test('E1 what came through in between, and is told late, ends a suppression that it refutes; one by hand stays', async () => {
  const [refuted, byHand, after] = [newMailbox(), newMailbox(), newMailbox()];
  for (const address of [refuted, byHand, after])
    house.events.add(SHARD, ...[0, 10, 20, 30, 40].map((hour) => deferred(address, hour)));
  await one.changes.createSuppression(
    { tenantId: acme.id, actorId: ACTOR, address: byHand, channel: 'all', scope: '', reason: 'manual' },
    CALL,
  );
  await applied();
  for (const address of [refuted, after]) expect(await reasons(address)).toEqual(['soft_bounce']);
  house.events.add(SHARD, delivered(refuted, 25), delivered(byHand, 25), delivered(after, 45));
  await applied();
  expect(await reasons(refuted)).toEqual([]);
  expect(await reasons(byHand)).toEqual(['manual']);
  // What came through after all of them came through an address that was dead: a person looks at it.
  expect(await reasons(after)).toEqual(['soft_bounce']);
  await eventually(() =>
    expect(saidOf(refuted)).toEqual(['consent.opted_out suppressed', 'consent.opted_in unknown']),
  );
  expect(saidOf(byHand).at(-1)).toMatch(/^consent\.opted_out/);
});
