import { newUuid, idOfUuid, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import type { Fact, ServiceEvent } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { analyzedByItsService } from '@posthorn/testing/grown-table.js';
import { CALL, clock, House, type Tenant, UNAVAILABLE } from './harness.js';

const ACTOR = 'key_test';
const MINUTE = 60_000;

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance told');
  [acme] = house.tenants.tenants as [Tenant];
  one = await start();
});
afterAll(() => house.close());

async function start() {
  const service = await house.start();
  await eventually(async () => expect((await fetch(`${service.healthUrl}/health/ready`)).status).toBe(200));
  return service;
}

const fact = (signal: string, address: string, more: Partial<Fact> = {}): Partial<Fact> => ({
  ...{ tenantId: acme.uuid, eventId: newUuid(clock.nowMs()), personHash: acme.hashOf(address), signal },
  ...{ receivedAtMs: clock.nowMs(), storedAtMs: clock.nowMs(), ...more },
});
const toldOf = (address: string): ServiceEvent[] =>
  [...house.events.appended.values()].filter(({ personHash }) => personHash.equals(acme.hashOf(address)));
const saidOf = (address: string) =>
  toldOf(address).map(({ type, attributes }) => `${type} ${attributes!.status}`);
const says = (address: string, ...said: string[]) => eventually(() => expect(saidOf(address)).toEqual(said));
const [OUT, STOPPED, IN, LIFTED] = [
  ...['consent.opted_out opted_out', 'consent.opted_out suppressed'],
  ...['consent.opted_in opted_in', 'consent.opted_in unknown'],
] as [string, string, string, string];

const suppress = (address: string, reason: string, channel = '') =>
  one.changes.createSuppression(
    { tenantId: acme.id, actorId: ACTOR, address, channel, scope: '', reason },
    CALL,
  );
const held = async (address: string) =>
  (await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL)).suppressions;
const lift = async (address: string, reason: string) => {
  const { id } = (await held(address)).find((each) => each.reason === reason)!;
  return one.changes.deleteSuppression({ tenantId: acme.id, actorId: ACTOR, id, reason: 'asked' }, CALL);
};
const reasons = async (address: string) => (await held(address)).map(({ reason }) => reason).sort();

/** Until everything given so far is applied and told. */
async function settled(): Promise<void> {
  const probe = newPhone();
  house.events.add(1, fact('opt_out', probe));
  await says(probe, OUT);
}

test('E1 E8 whatever stops messages to a person is told once, also repeated and over a restart', async () => {
  // Would break: a destination that keeps its own list would go on writing to who complained.
  const kinds = ['complaint', 'hard_bounce', 'soft_bounce', 'manual', 'by_hand', 'imported'] as const;
  const people = new Map(kinds.map((kind) => [kind, newPhone()]));
  const at = (kind: (typeof kinds)[number]): string => people.get(kind)!;
  const email = { channel: 'email' };
  const signals = [
    fact('complaint', at('complaint'), email),
    fact('hard_bounce', at('hard_bounce'), email),
    ...Array.from({ length: 6 }, () =>
      fact('soft_bounce', at('soft_bounce'), { ...email, messageId: newUuid(clock.nowMs()) }),
    ),
  ];
  const rows = [{ address: at('imported'), personId: '', channel: '', scope: '', reason: 'complaint' }];
  const act = async () => {
    house.events.add(1, ...signals);
    await suppress(at('manual'), 'manual');
    await suppress(at('by_hand'), 'hard_bounce', 'sms');
    await one.changes.importSuppressions({ tenantId: acme.id, actorId: ACTOR, rows }, CALL);
  };
  house.events.failure = { code: UNAVAILABLE, isAfterStoring: true }; // told, and the answer lost
  await act();
  await eventually(async () => expect(await reasons(at('soft_bounce'))).toEqual(['soft_bounce']));
  await one.close();
  house.events.failure = undefined;
  one = await start();
  await act();
  house.events.add(2, ...signals);
  house.events.add(1, fact('complaint', at('complaint'), email)); // another one, of who complained before
  await settled();
  for (const kind of kinds) await says(at(kind), STOPPED);
  // Where an event is the cause, its ID tells when it came to us.
  for (const kind of ['complaint', 'hard_bounce', 'soft_bounce'] as const) {
    const { causedBy } = toldOf(at(kind))[0]!.attributes!;
    const cause = signals.find(({ eventId }) => eventId!.equals(causedBy))!;
    expect(cause.personHash).toEqual(acme.hashOf(at(kind)));
    expect(Math.abs(uuidTimeMs(causedBy) - cause.receivedAtMs!)).toBeLessThan(1_000);
  }
  expect(toldOf(at('manual'))[0]!.attributes).toMatchObject({ causedBy: Buffer.alloc(0), channel: '' });
  expect(toldOf(at('by_hand'))[0]!.attributes).toMatchObject({ channel: 'sms', signal: '' });
});

test('E8 what staff lifts is told once, when nothing else stops messages there', async () => {
  const [stopped, complained, both] = [newPhone(), newPhone(), newPhone()];
  house.events.add(1, fact('opt_out', stopped), fact('complaint', complained), fact('opt_out', both));
  await says(stopped, OUT);
  await says(complained, STOPPED);
  await says(both, OUT);
  house.events.add(1, fact('complaint', both));
  await says(both, OUT, STOPPED);
  const { id } = (await held(stopped))[0]!;
  for (const address of [stopped, complained]) await lift(address, (await reasons(address))[0]!);
  await expect(
    one.changes.deleteSuppression({ tenantId: acme.id, actorId: ACTOR, id, reason: 'again' }, CALL),
  ).rejects.toMatchObject({ code: 'suppression.not_found' });
  await lift(both, 'opt_out');
  await settled();
  await says(stopped, OUT, LIFTED);
  await says(complained, STOPPED, LIFTED);
  expect(saidOf(both)).toEqual([OUT, STOPPED]); // the complaint still holds
  await lift(both, 'complaint');
  await says(both, OUT, STOPPED, LIFTED);
  await one.close();
  one = await start();
  await settled();
  expect(saidOf(both)).toHaveLength(3);
});

test('E3 a START of somebody who complained opens nothing, and is not told; the end of the complaint is', async () => {
  const address = newPhone();
  const at = (minutes: number) => ({ occurredAtMs: clock.nowMs() + minutes * MINUTE });
  house.events.add(1, fact('opt_out', address, at(-9)), fact('complaint', address, at(-8)));
  await says(address, STOPPED, OUT);
  house.events.add(1, fact('opt_in', address, at(-1)));
  await settled();
  expect(await reasons(address)).toEqual(['complaint']);
  expect(saidOf(address)).toEqual([STOPPED, OUT]);
  await lift(address, 'complaint');
  await says(address, STOPPED, OUT, IN);
});

test('E1 a reading of a sentence that a person takes back is told, one that is confirmed was told before', async () => {
  const [dismissed, confirmed] = [newPhone(), newPhone()];
  const write = (address: string): string => {
    const message = fact('', address, { type: 'message.received' });
    house.events.texts.set(message.eventId!.toString('hex'), 'Please stop texting me');
    house.events.add(1, message);
    return idOfUuid('evt', uuidText(message.eventId!));
  };
  const [first, second] = [write(dismissed), write(confirmed)];
  for (const address of [dismissed, confirmed]) await says(address, OUT);
  const decide = (eventId: string, state: string) =>
    one.changes.decideReview({ tenantId: acme.id, actorId: ACTOR, eventId, state, note: 'read it' }, CALL);
  for (let tries = 0; tries < 2; tries += 1) {
    await decide(first, 'lifted');
    await decide(second, 'confirmed');
  }
  await settled();
  await says(dismissed, OUT, LIFTED);
  expect(saidOf(confirmed)).toEqual([OUT]);
});

test('E8 a correction tells what differs afterwards, and nothing when nothing does', async () => {
  const [wider, narrower, renamed] = [newPhone(), newPhone(), newPhone()];
  const ids = await Promise.all(
    [
      suppress(wider, 'manual', 'sms'),
      suppress(narrower, 'opt_out', 'all'),
      suppress(renamed, 'manual', 'sms'),
    ].map(async (made) => (await made).suppression!.id),
  );
  const correct = (id: string, channel: string, reason: string) =>
    one.changes.correctSuppression(
      { tenantId: acme.id, actorId: ACTOR, id, note: 'wrong', channel, scope: '', reason },
      CALL,
    );
  await correct(ids[0]!, 'all', '');
  await correct(ids[1]!, 'sms', '');
  await correct(ids[2]!, '', 'complaint');
  await settled();
  await says(wider, STOPPED, STOPPED);
  await says(narrower, OUT, LIFTED);
  await says(renamed, STOPPED);
  expect(toldOf(narrower)[1]!.attributes).toMatchObject({ channel: '' }); // more than one
});

test('E3 D2 of two things that were told of a person the later one is also the younger one', async () => {
  // Would break: events, which believes the younger one, would show who is out as opted in.
  const address = newPhone();
  const at = (minutes: number) => ({ occurredAtMs: clock.nowMs() + minutes * MINUTE });
  house.events.add(1, fact('opt_out', address, at(-60)), fact('opt_in', address, at(-5)));
  await says(address, OUT, IN);
  house.events.add(1, fact('opt_out', address, at(-5.5))); // comes to be known late, and wins
  await says(address, OUT, IN, OUT);
  await lift(address, 'opt_out');
  house.events.add(1, fact('opt_out', address, at(-4)));
  await says(address, OUT, IN, OUT, LIFTED, OUT);
  const times = toldOf(address).map(({ occurredAtMs }) => occurredAtMs);
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
});

test('E3 a double opt-in that was asked too long ago is not answered by a YES, nor by a policy that says more later', async () => {
  const [late, intime, strict, unanswered] = [newPhone(), newPhone(), newPhone(), newPhone()];
  const DAY = 24 * 60 * MINUTE;
  const ask = (address: string, days: number) =>
    one.consents.createConsent(
      {
        ...{ tenantId: acme.id, actorId: ACTOR, address, channel: 'sms', program: '', status: 'pending' },
        ...{ proof: undefined, occurredAtMs: clock.nowMs() - days * DAY },
      },
      CALL,
    );
  const put = (answerDays: number, expectedVersion: number) =>
    one.policies.putPolicy(
      {
        ...{ tenantId: acme.id, actorId: ACTOR, expectedVersion, isOperator: false },
        policyJson: JSON.stringify({ doubleOptIn: { answerDays } }),
      },
      CALL,
    );
  expect((await ask(late, 365)).consent).toMatchObject({ status: 'unknown' });
  expect((await ask(intime, 29)).consent).toMatchObject({ status: 'pending' });
  await expect(put(31, 0)).rejects.toMatchObject({ fields: [{ path: 'doubleOptIn.answerDays' }] });
  await put(2, 0);
  await ask(strict, 3);
  expect((await ask(unanswered, 1)).consent).toMatchObject({ status: 'pending' });
  await put(30, 1);
  house.events.add(1, ...[late, intime, strict].map((address) => fact('opt_in', address)));
  await says(intime, IN);
  await settled();
  for (const address of [late, strict, unanswered]) expect(saidOf(address)).toEqual([]);
});

test('a table that grows is analyzed by the service', async () => {
  // Would break: each new day, and each new installation, would get slower until autovacuum comes.
  await analyzedByItsService(house.db, 'compliance');
});
