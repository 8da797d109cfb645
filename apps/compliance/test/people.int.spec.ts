import { formatId, idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { ConsentProof } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant, UNAVAILABLE } from './harness.js';

const ACTOR = 'key_test';
const MINUTE = 60_000;

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance people');
  [acme] = house.tenants.tenants as [Tenant];
  one = await house.start();
  await eventually(async () => expect((await fetch(`${one.healthUrl}/health/ready`)).status).toBe(200));
});
afterAll(() => house.close());

const personIdOf = (address: string) => formatId('per', acme.hashOf(address));
const fact = (signal: string, address: string, more: Partial<Fact> = {}): Partial<Fact> => ({
  ...{ tenantId: acme.uuid, eventId: newUuid(clock.nowMs()), personHash: acme.hashOf(address), signal },
  ...{ receivedAtMs: clock.nowMs(), storedAtMs: clock.nowMs(), ...more },
});
const check = async (address: string) =>
  (await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL)).suppressions;
const reasons = async (address: string) => (await check(address)).map(({ reason }) => reason);
const PROOF: ConsentProof = {
  ...{ eventId: '', wording: 'Yes, send me offers', wordingVersion: '3', method: 'web_form' },
  ...{ url: 'https://shop.test/join', ip: '203.0.113.7', note: '' },
};
const create = (address: string, status: string, more: Record<string, unknown> = {}) =>
  one.consents.createConsent(
    {
      ...{ tenantId: acme.id, actorId: ACTOR, address, channel: 'sms', program: '', status, proof: PROOF },
      ...{ occurredAtMs: 0, ...more },
    },
    CALL,
  );
const consents = async (address: string) =>
  (
    await one.consentQuery.listConsents(
      { tenantId: acme.id, limit: 0, cursor: '', personId: personIdOf(address) },
      CALL,
    )
  ).consents;
const statusOf = async (address: string) => (await consents(address))[0]?.status;

test('E4 a consent keeps its proof and its history, and the status follows from all of it', async () => {
  const address = newPhone();
  const now = clock.nowMs();
  const given = await create(address, 'opted_in', { occurredAtMs: now - 60 * MINUTE });
  expect(given.consent).toMatchObject({
    ...{
      personId: personIdOf(address),
      channel: 'sms',
      program: 'all',
      kind: 'opted_in',
      status: 'opted_in',
    },
    ...{ occurredAtMs: now - 60 * MINUTE, actorId: ACTOR, eventId: '', proof: PROOF },
  });
  house.events.add(1, fact('opt_out', address));
  await eventually(async () => expect(await statusOf(address)).toBe('opted_out'));
  expect((await consents(address)).map(({ kind }) => kind)).toEqual(['opted_out', 'opted_in']);
  expect((await create(newPhone(), 'opted_in')).consent).toMatchObject({ status: 'opted_in' });
  await expect(create(address, 'maybe')).rejects.toMatchObject({ code: 'request.invalid' });
  await expect(create(address, 'opted_in', { occurredAtMs: now + MINUTE })).rejects.toMatchObject({
    fields: [{ path: 'occurredAt' }],
  });
  await expect(
    create(address, 'opted_in', { proof: { ...PROOF, note: 'x'.repeat(5_000) } }),
  ).rejects.toMatchObject({ fields: [{ path: 'proof' }] });
});

test('E3 a double opt-in is pending until it is answered; YES without a question says nothing', async () => {
  const [asked, unasked] = [newPhone(), newPhone()];
  expect((await create(asked, 'pending')).consent).toMatchObject({ status: 'pending' });
  house.events.add(2, fact('opt_in', asked), fact('opt_in', unasked));
  await eventually(async () => expect(await statusOf(asked)).toBe('opted_in'));
  await eventually(async () => expect(await statusOf(unasked)).toBe('unknown'));
  await eventually(() =>
    expect(
      [...house.events.appended.values()].map(({ personHash, type }) => [personHash.toString('hex'), type]),
    ).toContainEqual([acme.hashOf(asked).toString('hex'), 'consent.opted_in']),
  );
});

test('E3 a new consent lifts an opt-out of its channel, but not within a minute of it', async () => {
  const address = newPhone();
  house.events.add(3, fact('opt_out', address, { occurredAtMs: clock.nowMs() - 10 * MINUTE }));
  await eventually(async () => expect(await reasons(address)).toEqual(['opt_out']));
  await create(address, 'opted_in', { occurredAtMs: clock.nowMs() - 9.5 * MINUTE });
  expect(await reasons(address)).toEqual(['opt_out']);
  await create(address, 'opted_in');
  expect((await check(address)).map(({ channel }) => channel).sort()).toEqual(['chat', 'email', 'push']);
});

test('E1 complaints and dead addresses stop every channel, START does not lift them; soft bounces count', async () => {
  const [complainer, dead, soft] = ['a@x.test', 'b@x.test', 'c@x.test'];
  const email = { channel: 'email' };
  const undelivered = { type: 'message.undelivered', state: 'undelivered' };
  house.events.add(
    ...([4, fact('complaint', complainer, email), fact('hard_bounce', dead, email)] as const),
    fact('opt_in', complainer, email),
    ...Array.from({ length: 4 }, () => fact('', soft, { ...email, ...undelivered })),
  );
  await eventually(async () => expect(await reasons(dead)).toEqual(['hard_bounce']));
  await eventually(async () => expect(await reasons(complainer)).toEqual(['complaint']));
  expect((await check(complainer))[0]).toMatchObject({ channel: 'all', scope: 'all' });
  await eventually(async () => expect(await consents(soft)).toHaveLength(4));
  expect(await reasons(soft)).toEqual([]);
  house.events.add(4, fact('soft_bounce', soft, email));
  await eventually(async () => expect(await reasons(soft)).toEqual(['soft_bounce']));
  await eventually(async () => expect(await statusOf(complainer)).toBe('suppressed'));
});

test('E1 a signal of an event that changed no state counts; soft bounces of one message count once', async () => {
  // Would break: a bounce after "delivered" would change nothing, or one mail that is tried five times too much.
  const [dead, silent] = ['d@x.test', 'e@x.test'];
  const observed = { channel: 'email', type: 'signal.observed', state: 'undelivered' };
  house.events.add(4, fact('hard_bounce', dead, observed));
  await eventually(async () => expect(await reasons(dead)).toEqual(['hard_bounce']));
  const [first, ...others] = Array.from({ length: 5 }, () => ({ messageId: newUuid(clock.nowMs()) }));
  house.events.add(
    4,
    ...Array.from({ length: 5 }, () => fact('soft_bounce', silent, { ...observed, ...first })),
    fact('', silent, { ...observed, ...first }),
    ...others.slice(1).map((message) => fact('', silent, { ...observed, ...message })),
  );
  await eventually(async () => expect(await consents(silent)).toHaveLength(4));
  expect(await reasons(silent)).toEqual([]);
  house.events.add(4, fact('soft_bounce', silent, { ...observed, ...others[0] }));
  await eventually(async () => expect(await reasons(silent)).toEqual(['soft_bounce']));
});

// Support sees a START and a person who is still out: without this, nothing says why.
test('E3 E5 an opt-in that an opt-out wins over says so in the history, a later one counts', async () => {
  const address = newPhone();
  const now = clock.nowMs();
  for (const [signal, receivedAtMs] of [
    ['opt_out', now - 120_000],
    ['opt_in', now - 90_000],
    ['opt_in', now - 30_000],
  ] as const)
    house.events.add(2, fact(signal, address, { receivedAtMs }));
  const optIns = async () => {
    const query = { tenantId: acme.id, personId: personIdOf(address), limit: 0, cursor: '' };
    const { entries } = await one.personQuery.listPersonHistory(query, CALL);
    return entries
      .filter(({ kind, what }) => kind === 'signal' && what === 'opt_in')
      .map(({ detail }) => detail);
  };
  await eventually(async () =>
    expect(await optIns()).toEqual(['', 'does not count: within 60 s of an opt-out']),
  );
  await eventually(async () => expect(await reasons(address)).toEqual([]));
});

test('E1 an opt-out in words of its own holds until a person has judged it', async () => {
  const [confirmed, dismissed, both, harmless] = [newPhone(), newPhone(), newPhone(), newPhone()];
  const write = (address: string, text: string) => {
    const message = fact('', address, { type: 'message.received', receivedAtMs: clock.nowMs() - 5 * MINUTE });
    house.events.texts.set(message.eventId!.toString('hex'), text);
    house.events.add(5, message);
    return idOfUuid('evt', uuidText(message.eventId!));
  };
  const [a, b, c] = [confirmed, dismissed, both].map((address) => write(address, 'Please stop texting me'));
  write(harmless, 'See you at the bus stop');
  house.events.add(5, fact('opt_out', both, { occurredAtMs: clock.nowMs() - 20 * MINUTE }));
  for (const address of [confirmed, dismissed])
    await eventually(async () => expect(await reasons(address)).toEqual(['phrase']));
  await eventually(async () => expect(await reasons(both)).toContain('opt_out'));
  const list = async (state: string) =>
    (await one.query.listReviews({ tenantId: acme.id, limit: 0, cursor: '', state }, CALL)).reviews;
  await eventually(async () =>
    expect((await list('open')).map(({ eventId }) => eventId).sort()).toEqual([a, b, c].sort()),
  );
  const decide = (eventId: string, state: string) =>
    one.changes.decideReview({ tenantId: acme.id, actorId: ACTOR, eventId, state, note: 'read it' }, CALL);
  await decide(a!, 'confirmed');
  await decide(b!, 'lifted');
  await decide(c!, 'lifted');
  expect(await reasons(confirmed)).toEqual(['opt_out']);
  expect(await reasons(dismissed)).toEqual([]);
  expect(await reasons(both)).toContain('opt_out'); // what was said before still holds
  expect(await reasons(harmless)).toEqual([]);
  expect((await decide(b!, 'lifted')).review).toMatchObject({ state: 'lifted', decidedBy: ACTOR });
  await expect(decide(formatId('evt', newUuid(1)), 'lifted')).rejects.toMatchObject({
    code: 'review.not_found',
  });
  await expect(decide('rul_1', 'lifted')).rejects.toMatchObject({ code: 'review.not_found' });
  await expect(decide(b!, 'confirmed')).rejects.toMatchObject({ code: 'request.invalid' });
  expect(await list('open')).toEqual([]);
});

test('E1 a part of a longer text is read without waiting for the others; other signals are not', async () => {
  // Would break: "please stop texting me …" would count only once all of a long text is here.
  const [part, signal] = [newPhone(), newPhone()];
  const observe = (address: string, state: string): void => {
    const told = fact('', address, { type: 'signal.observed', state });
    house.events.texts.set(told.eventId!.toString('hex'), 'Please stop texting me, I told you');
    house.events.add(5, told);
  };
  observe(signal, 'undelivered');
  observe(part, 'received');
  await eventually(async () => expect(await reasons(part)).toEqual(['phrase']));
  expect(await reasons(signal)).toEqual([]);
});

test('A7 texts that cannot be had are read later; signals do not wait for them', async () => {
  const [writer, stopper] = [newPhone(), newPhone()];
  const message = fact('', writer, { type: 'message.received' });
  house.events.texts.set(message.eventId!.toString('hex'), 'stop texting me');
  house.events.failure = { code: UNAVAILABLE, isAfterStoring: false };
  house.events.add(6, message, fact('opt_out', stopper));
  await eventually(async () => expect(await reasons(stopper)).toEqual(['opt_out']));
  expect(await reasons(writer)).toEqual([]);
  house.events.failure = undefined;
  await eventually(async () => expect(await reasons(writer)).toEqual(['phrase']));
});

// A copy as a settled opt-out outlived the judgement of what it was a copy of: nobody could lift it by the review.
test('E8 what the phrase tier found here stays that when its export is taken in again; elsewhere it is an opt-out', async () => {
  const [writer, stranger] = [newPhone(), newPhone()];
  const message = fact('', writer, { type: 'message.received', receivedAtMs: clock.nowMs() });
  house.events.texts.set(message.eventId!.toString('hex'), 'stop texting me');
  house.events.add(5, message);
  await eventually(async () => expect(await reasons(writer)).toEqual(['phrase']));
  const rows = [writer, stranger].map((address) => ({
    ...{ address, personId: '', channel: '', scope: '', reason: 'phrase' },
  }));
  const take = async () =>
    (await one.changes.importSuppressions({ tenantId: acme.id, actorId: ACTOR, rows }, CALL)).results;
  expect((await take()).map(({ outcome }) => outcome)).toEqual(['known', 'created']);
  expect((await take()).map(({ outcome }) => outcome)).toEqual(['known', 'known']);
  expect([await reasons(writer), await reasons(stranger)]).toEqual([['phrase'], ['opt_out']]);
});

test('E8 imports say what became of each row, change nothing the second time, and take exports', async () => {
  const [a, b] = [newPhone(), newPhone()];
  const row = { address: '', personId: '', channel: '', scope: '', reason: '' };
  const rows = [
    { ...row, address: a, reason: 'complaint' },
    { ...row, personId: personIdOf(b), reason: 'opt_out', channel: 'sms' },
    { ...row, address: a, channel: 'pigeon' },
    { ...row, personId: 'per_nonsense' },
  ];
  const take = () => one.changes.importSuppressions({ tenantId: acme.id, actorId: ACTOR, rows }, CALL);
  const first = (await take()).results;
  expect(first.map(({ outcome, path }) => [outcome, path])).toEqual([
    ['created', ''],
    ['created', ''],
    ['refused', 'channel'],
    ['refused', 'personId'],
  ]);
  const second = (await take()).results;
  expect(second.map(({ outcome }) => outcome)).toEqual(['known', 'known', 'refused', 'refused']);
  expect(second.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
  const consentRow = {
    id: '',
    address: a,
    personId: '',
    channel: 'sms',
    program: 'news',
    status: 'opted_in',
  };
  const consentRows = [{ ...consentRow, proof: PROOF, occurredAtMs: clock.nowMs() - MINUTE }];
  const takeConsents = () =>
    one.consents.importConsents({ tenantId: acme.id, actorId: ACTOR, rows: consentRows }, CALL);
  expect((await takeConsents()).results).toMatchObject([{ outcome: 'created' }]);
  expect((await takeConsents()).results).toMatchObject([{ outcome: 'known' }]);
  const tooMany = { tenantId: acme.id, actorId: ACTOR, rows: Array.from({ length: 501 }, () => rows[0]!) };
  await expect(one.changes.importSuppressions(tooMany, CALL)).rejects.toMatchObject({
    code: 'request.invalid',
  });
});

test('E8 an export of consents brought back changes nothing, whoever made its entries; what differs is another entry', async () => {
  const address = newPhone();
  await create(address, 'opted_in', { occurredAtMs: clock.nowMs() - 10 * MINUTE });
  house.events.add(7, fact('opt_out', address));
  await eventually(async () => expect(await reasons(address)).toEqual(['opt_out']));
  house.events.add(7, fact('complaint', address));
  await eventually(async () => expect(await reasons(address)).toContain('complaint'));
  const filter = { tenantId: acme.id, limit: 0, cursor: '', personId: personIdOf(address) };
  const entries = async () => (await one.consentQuery.listConsents(filter, CALL)).consents;
  const before = await entries();
  expect(before.map(({ kind }) => kind).sort()).toEqual(['complaint', 'opted_in', 'opted_out']);
  const exported = before.map(({ id, kind, channel, program, occurredAtMs, personId, proof }) => ({
    ...{ address: '', personId, id, status: kind, channel, program, proof, occurredAtMs },
  }));
  const take = async (rows: typeof exported) => {
    const request = { tenantId: acme.id, actorId: ACTOR, rows };
    return (await one.consents.importConsents(request, CALL)).results.map(({ outcome, path }) => [
      outcome,
      path,
    ]);
  };
  expect(await take(exported)).toEqual(before.map(() => ['known', '']));
  expect(await entries()).toEqual(before);
  const elsewhere = exported.map((row) => ({ ...row, personId: personIdOf(newPhone()) }));
  const made = elsewhere.map(({ status }) =>
    status === 'complaint' ? ['refused', 'kind'] : ['created', ''],
  );
  expect(await take(elsewhere)).toEqual(made);
});

test('E5 what stops messages to a person is told of one channel, or of all; who it is does not depend on it', async () => {
  const address = newPhone();
  for (const channel of ['sms', 'email', 'all']) {
    const what = { address, channel, scope: '', reason: 'manual' };
    await one.changes.createSuppression({ tenantId: acme.id, actorId: ACTOR, ...what }, CALL);
  }
  const lookup = async (channel: string) => {
    const of = { tenantId: acme.id, address, personId: '', channel };
    const { personId, suppressions } = await one.personQuery.lookupPerson(of, CALL);
    expect(personId).toBe(personIdOf(address));
    return suppressions.map((each) => each.channel).sort();
  };
  expect(await lookup('')).toEqual(['all', 'email', 'sms']);
  expect(await lookup('sms')).toEqual(['all', 'sms']);
  expect(await lookup('chat')).toEqual(['all']);
  await expect(lookup('pigeon')).rejects.toMatchObject({ code: 'request.invalid' });
});

test('E8 a suppression is corrected with a reason, and both rows say so', async () => {
  const address = newPhone();
  const request = { tenantId: acme.id, actorId: ACTOR, address, channel: 'sms', scope: '', reason: 'manual' };
  const { id } = (await one.changes.createSuppression(request, CALL)).suppression!;
  const correct = (note: string) =>
    one.changes.correctSuppression(
      { tenantId: acme.id, actorId: ACTOR, id, note, channel: 'all', scope: '', reason: '' },
      CALL,
    );
  await expect(correct(' ')).rejects.toMatchObject({ code: 'request.invalid' });
  expect((await correct('wrong channel')).suppression).toMatchObject({ channel: 'all', reason: 'manual' });
  await expect(correct('again')).rejects.toMatchObject({ code: 'suppression.not_found' });
  const filter = { personId: personIdOf(address), reason: '', channel: '', hasLifted: true };
  const all = await one.query.listSuppressions({ tenantId: acme.id, limit: 0, cursor: '', ...filter }, CALL);
  expect(all.suppressions.map(({ channel, liftedReason }) => [channel, liftedReason])).toEqual([
    ['all', ''],
    ['sms', 'wrong channel'],
  ]);
});

test('E6 an erasure takes proofs and notes, and keeps that the person must not be contacted', async () => {
  const address = newPhone();
  await create(address, 'opted_in', { occurredAtMs: clock.nowMs() - 10 * MINUTE });
  house.events.add(7, fact('opt_out', address));
  await eventually(async () => expect(await reasons(address)).toEqual(['opt_out']));
  const erase = () =>
    one.persons.erasePerson({ tenantId: acme.id, actorId: ACTOR, personId: personIdOf(address) }, CALL);
  expect((await erase()).erased).toContainEqual({ table: 'consent_proof', rows: 1 });
  expect((await erase()).erased.every(({ rows }) => rows === 0)).toBe(true);
  expect((await consents(address)).every(({ proof }) => proof === undefined)).toBe(true);
  expect(await reasons(address)).toEqual(['opt_out']);
});
