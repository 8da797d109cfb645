import { formatId, newUuid, parseId, uuidText } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { CALL, clock, House, type Tenant } from './harness.js';
import { linkRequest, permitRequest, storeWaiting } from './requests.js';

const ACTOR = 'key_test';
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let intake: Database;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance waiting');
  [acme] = house.tenants.tenants as [Tenant];
  intake = await house.intake();
  one = await house.start();
  await eventually(async () => expect((await ask(newPhone())).decision).toBe('allow'));
});
afterAll(() => house.close());

const ask = (address: string) => one.permits.requestPermit(permitRequest(acme, address), CALL);
const link = (address: string, other: string) =>
  one.persons.linkPersons(linkRequest(acme, personIdOf(address), other), CALL);
const personIdOf = (address: string): string => formatId('per', acme.hashOf(address));
const of = (address: string) => ({ tenantId: acme.id, personId: personIdOf(address) });

const append = (address: string, signal = 'opt_out', channel = 'sms'): Promise<void> =>
  storeWaiting(intake, {
    ...{ tenantId: acme.uuid, personHash: acme.hashOf(address), signal, channel },
    ...{ provider: 'twilio', traceparent: TRACEPARENT },
  });
/** How many of a person's opt-outs are not written yet. */
const waitingOf = async (address: string): Promise<number> => {
  const text = 'SELECT FROM compliance.pending_signal WHERE person_hash = $1';
  return (await house.db.query(text, [acme.hashOf(address)])).rowCount ?? 0;
};

const optedOut = (suppressions: readonly { readonly reason: string }[]): void =>
  expect(suppressions.map(({ reason }) => reason)).toEqual(['opt_out']);

test.each<readonly [string, (address: string) => Promise<void>]>([
  [
    'who asks about an address',
    async (address) => {
      const request = { tenantId: acme.id, address, channel: '' };
      optedOut((await one.query.checkAddress(request, CALL)).suppressions);
    },
  ],
  [
    'who looks a person up',
    async (address) => {
      const request = { tenantId: acme.id, address, personId: '', channel: '' };
      optedOut((await one.personQuery.lookupPerson(request, CALL)).suppressions);
    },
  ],
  [
    'who lists suppressions of a person',
    async (address) => {
      const request = { ...of(address), reason: '', channel: '', hasLifted: false, cursor: '', limit: 10 };
      optedOut((await one.query.listSuppressions(request, CALL)).suppressions);
    },
  ],
  [
    'who lists all suppressions',
    async (address) => {
      const request = { tenantId: acme.id, personId: '', reason: '', channel: '' };
      const { suppressions } = await one.query.listSuppressions(
        { ...request, hasLifted: false, cursor: '', limit: 100 },
        CALL,
      );
      optedOut(suppressions.filter(({ personId }) => personId === personIdOf(address)));
    },
  ],
  [
    'who lists all consents',
    async (address) => {
      const request = { tenantId: acme.id, personId: '', cursor: '', limit: 100 };
      const { consents } = await one.consentQuery.listConsents(request, CALL);
      expect(consents.some(({ personId }) => personId === personIdOf(address))).toBe(true);
    },
  ],
  [
    'who reads the history of a person',
    async (address) => {
      const { entries } = await one.personQuery.listPersonHistory(
        { ...of(address), cursor: '', limit: 10 },
        CALL,
      );
      expect(entries.length).toBeGreaterThan(0);
    },
  ],
  [
    'who asks what could be sent',
    async (address) => {
      const { consentStatus, previews } = await one.previews.previewSends(
        {
          ...{ ...of(address), channel: 'sms', address, provider: 'twilio', lastInboundAtMs: 0 },
        },
        CALL,
      );
      expect([consentStatus, ...previews.map(({ rule }) => rule)]).toEqual([
        'opted_out',
        'suppression.opt_out',
        'suppression.opt_out',
      ]);
    },
  ],
])('E1 %s sees it', async (_who, sees) => {
  const address = newPhone();
  await append(address);
  await sees(address);
});

test('E5 who sees it first loses nothing of it: whose it was, and its trace', async () => {
  const address = newPhone();
  await append(address);
  await one.consentQuery.listConsents({ ...of(address), cursor: '', limit: 1 }, CALL);
  const { rows } = await house.db.query(
    'SELECT provider, channel FROM compliance.consent_signal WHERE person_hash = $1',
    [acme.hashOf(address)],
  );
  expect(rows).toEqual([{ provider: 'twilio', channel: 'sms' }]);
  await eventually(() =>
    expect([...house.events.appended.values()]).toContainEqual(
      expect.objectContaining({ personHash: acme.hashOf(address), traceparent: TRACEPARENT }),
    ),
  );
});

test('E7 it is seen of one who is linked, too', async () => {
  const [phone, other] = [newPhone(), newPhone()];
  await link(phone, other);
  await append(other);
  const { linkedPersonIds } = await one.personQuery.lookupPerson(
    { tenantId: acme.id, address: phone, personId: '', channel: '' },
    CALL,
  );
  expect(linkedPersonIds).toEqual([personIdOf(other)]);
  expect(await ask(phone)).toMatchObject({ decision: 'deny', rule: 'suppression.opt_out' });
});

test('E1 H2 while what is late cannot be written it is counted, and written once it can be', async () => {
  const address = newPhone();
  await house.db.query(`REVOKE INSERT ON compliance.consent_signal FROM ${WORKER_ROLE}`);
  try {
    await append(address);
    await eventually(
      async () => expect(await one.process.metrics.text()).toMatch(/posthorn_pending_opt_outs_rows [1-9]/),
      { timeoutMs: 10_000 },
    );
    expect(await waitingOf(address)).toBe(1);
  } finally {
    await house.db.query(`GRANT INSERT ON compliance.consent_signal TO ${WORKER_ROLE}`);
  }
  await eventually(async () => expect(await waitingOf(address)).toBe(0), { timeoutMs: 10_000 });
});

test('E1 a permit is refused for what waits: a STOP as it stands, what says less once it is written', async () => {
  const [stopped, dead] = [newPhone(), newPhone()];
  await append(stopped);
  await append(dead, 'hard_bounce');
  expect(await ask(stopped)).toMatchObject({ decision: 'deny', rule: 'opt_out.pending' });
  expect(await ask(dead)).toMatchObject({ decision: 'deny', rule: 'suppression.hard_bounce' });
});

test('E5 whoever lifts by hand lifts what was acknowledged before', async () => {
  // Would break: written afterwards, the first STOP would come back into force under the eyes of who has just lifted it.
  const address = newPhone();
  await append(address);
  const { suppressions } = await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL);
  await append(address);
  await one.changes.deleteSuppression(
    {
      tenantId: acme.id,
      actorId: ACTOR,
      id: suppressions[0]!.id,
      reason: 'a mistake',
      principal: undefined,
    },
    CALL,
  );
  expect((await ask(address)).decision).toBe('allow');
  expect(await waitingOf(address)).toBe(0);
});

test.each<readonly [string, (address: string, suppressionId: string) => Promise<unknown>]>([
  [
    'enters a consent',
    (address) =>
      one.consents.createConsent(
        {
          ...{ tenantId: acme.id, actorId: ACTOR, address, channel: '', program: '', status: 'opted_in' },
          ...{ proof: undefined, occurredAtMs: 0 },
        },
        CALL,
      ),
  ],
  [
    'brings consents',
    () => one.consents.importConsents({ tenantId: acme.id, actorId: ACTOR, rows: [] }, CALL),
  ],
  [
    'enters a suppression',
    (address) =>
      one.changes.createSuppression(
        { tenantId: acme.id, actorId: ACTOR, address, channel: '', scope: '', reason: 'manual' },
        CALL,
      ),
  ],
  [
    'brings suppressions',
    () => one.changes.importSuppressions({ tenantId: acme.id, actorId: ACTOR, rows: [] }, CALL),
  ],
  [
    'lifts a suppression',
    (_address, id) =>
      one.changes.deleteSuppression({ tenantId: acme.id, actorId: ACTOR, id, reason: 'a mistake' }, CALL),
  ],
  [
    'corrects a suppression',
    (_address, id) =>
      one.changes.correctSuppression(
        { tenantId: acme.id, actorId: ACTOR, id, note: 'said so', channel: 'sms', scope: '', reason: '' },
        CALL,
      ),
  ],
  [
    'decides a review',
    async () => {
      const eventId = formatId('evt', newUuid(clock.nowMs()));
      const verdict = { tenantId: acme.id, actorId: ACTOR, eventId, state: 'lifted', note: 'read it' };
      await expect(one.changes.decideReview(verdict, CALL)).rejects.toMatchObject({
        code: 'review.not_found',
      });
    },
  ],
  ['erases a person', (address) => one.persons.erasePerson({ ...of(address), actorId: ACTOR }, CALL)],
])('E5 whoever %s does it after all that was acknowledged before', async (_who, act) => {
  const address = newPhone();
  await append(address);
  const { suppressions } = await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL);
  await append(address);
  await act(address, suppressions[0]!.id);
  expect(await waitingOf(address)).toBe(0);
});

test('E1 of many who are asked about at once each gets its own decision, written first or not', async () => {
  // Would break: one who may be written to would get the permit of another, or none.
  const kinds = ['', 'hard_bounce', 'opt_out', ''] as const;
  const all = Array.from({ length: 48 }, (_, n) => ({
    address: newPhone(),
    kind: kinds[n % kinds.length]!,
  }));
  for (const { address, kind } of all) if (kind !== '') await append(address, kind);
  const decided = await Promise.all(
    all.map(async ({ address, kind }) => ({ address, kind, ...(await ask(address)) })),
  );
  const rules = {
    '': 'category.transactional',
    hard_bounce: 'suppression.hard_bounce',
    opt_out: 'opt_out.pending',
  };
  for (const { kind, rule } of decided) expect(rule).toBe(rules[kind]);
  const { rows } = await house.db.query<{ permit_id: string; person_hash: Buffer }>(
    'SELECT permit_id, person_hash FROM compliance.permit WHERE person_hash = ANY ($1)',
    [all.map(({ address }) => acme.hashOf(address))],
  );
  const holders = new Map(rows.map(({ permit_id, person_hash }) => [permit_id, person_hash]));
  const permits = decided.filter(({ kind }) => kind === '');
  expect(holders.size).toBe(permits.length);
  for (const { address, permitId } of permits)
    expect(holders.get(uuidText(parseId('evt', permitId)!))).toEqual(acme.hashOf(address));
});

test('E1 what cannot be written stops every send all the same, of who said it and of who is linked', async () => {
  const [phone, other] = [newPhone(), newPhone()];
  await link(phone, other);
  await append(phone, 'opt_out_of_a_later_version');
  for (const address of [phone, other])
    expect(await ask(address)).toMatchObject({ decision: 'deny', rule: 'opt_out.pending' });
  expect((await ask(newPhone())).decision).toBe('allow');
});

test.each(['', 'mms', 'a channel of a later version'])(
  'E1 by whatever channel it came, it is written and keeps nothing back: %j',
  async (channel) => {
    // Would break: what the tables refuse would fail every batch that it is in, and every read.
    const signals = ['opt_out', 'complaint', 'hard_bounce'];
    const addresses = signals.map(newPhone);
    for (const [n, address] of addresses.entries()) await append(address, signals[n], channel);
    for (const address of addresses) {
      await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL);
      expect([await waitingOf(address), (await ask(address)).decision]).toEqual([0, 'deny']);
    }
  },
);

test('E1 a list is as of its question, however much comes meanwhile', async () => {
  const many = Array.from({ length: 600 }, newPhone);
  await Promise.all(many.map((address) => append(address)));
  let isOver = false;
  const more = (async () => {
    while (!isOver) await append(newPhone());
  })();
  const request = { tenantId: acme.id, personId: '', cursor: '', limit: 10 };
  await one.consentQuery.listConsents(request, CALL);
  const { rows } = await house.db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM compliance.pending_signal WHERE person_hash = ANY ($1)`,
    [many.map((address) => acme.hashOf(address))],
  );
  isOver = true;
  await more;
  expect(rows[0]!.count).toBe(0);
});

test('E1 opt-outs whose facts do not come are written all the same, many in one round, past those that cannot be', async () => {
  // Would break: with the broker gone a burst would be written at the pace of the look, and 512 odd rows would end it.
  const [odd, many] = [Array.from({ length: 600 }, newPhone), Array.from({ length: 900 }, newPhone)];
  await Promise.all(odd.map((address) => append(address, 'opt_out_of_a_later_version')));
  await Promise.all(many.map((address) => append(address)));
  const waiting = async (addresses: readonly string[]): Promise<number> => {
    const { rows } = await house.db.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM compliance.pending_signal WHERE person_hash = ANY ($1)`,
      [addresses.map((address) => acme.hashOf(address))],
    );
    return rows[0]!.count;
  };
  await eventually(async () => expect(await waiting(many)).toBe(0), { timeoutMs: 10_000 });
  expect(await waiting(odd)).toBe(odd.length);
  await eventually(async () =>
    expect(await one.process.metrics.text()).toMatch(/posthorn_pending_opt_outs_rows \d{3,}/),
  );
});
