import { formatId, newUuid, parseId, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import type { RequestPermitRequest } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { READER_ROLE } from '../src/persistence/roles.js';
import { CALL, clock, House, type Tenant } from './harness.js';
import { permitRequest, storeWaiting } from './requests.js';

const ACTOR = 'key_test';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let intake: Database;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;
const newMail = (): string => `p${(phones += 1)}@example.test`;

beforeAll(async () => {
  house = await House.open('compliance permits');
  [acme] = house.tenants.tenants as [Tenant];
  intake = await house.intake();
  one = await house.start();
  await eventually(async () => expect((await ask(newPhone())).decision).toBe('allow'));
});
afterAll(() => house.close());

const ask = (address: string, more: Partial<RequestPermitRequest> = {}) =>
  one.permits.requestPermit(permitRequest(acme, address, more), CALL);
const market = (address: string, more: Partial<RequestPermitRequest> = {}) =>
  ask(address, { category: 'marketing', channel: 'email', ...more });
const close = (permitId: string, outcome = 'sent') =>
  one.permits.closePermit({ tenantId: acme.id, permitId, outcome }, CALL);

/** An opt-out as intake knows it. */
const stop = (address: string, eventId = newUuid(clock.nowMs()), atMs = uuidTimeMs(eventId)) => ({
  ...{
    tenantId: acme.uuid,
    eventId,
    sourceId: newUuid(atMs),
    personHash: acme.hashOf(address),
    channel: 'sms',
  },
  ...{ signal: 'opt_out', occurredAtMs: 0, receivedAtMs: atMs, provider: 'twilio', traceparent: '' },
});
const apply = (...signals: ReturnType<typeof stop>[]) => one.signals.applySignals({ signals }, CALL);
/** What the append transaction of events adds. */
const append = (signal: ReturnType<typeof stop>) => storeWaiting(intake, signal);
const factOf = (signal: ReturnType<typeof stop>): Partial<Fact> => ({
  ...signal,
  storedAtMs: signal.receivedAtMs,
});
const check = (address: string) => one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL);
const signalsOf = async (address: string) =>
  (
    await house.db.query<{ kind: string; signaled_at: Date }>(
      'SELECT kind, signaled_at FROM compliance.consent_signal WHERE person_hash = $1 ORDER BY signaled_at',
      [acme.hashOf(address)],
    )
  ).rows;
const toldOf = (address: string) =>
  [...house.events.appended.values()].filter(({ personHash }) => personHash.equals(acme.hashOf(address)));
const consent = (address: string, status: string, more: { occurredAtMs?: number; channel?: string } = {}) =>
  one.consents.createConsent(
    {
      ...{ tenantId: acme.id, actorId: ACTOR, address, channel: '', program: '', status, occurredAtMs: 0 },
      ...{ proof: undefined, ...more },
    },
    CALL,
  );

test('E2 a permit is valid for 400 ms; the decision is kept with its rule, the outcome beside it', async () => {
  const address = newPhone();
  const permit = await ask(address);
  expect(permit).toMatchObject({ decision: 'allow', rule: 'category.transactional', validForMs: 400 });
  const list = async () =>
    (
      await one.decisions.listDecisions(
        {
          ...{ tenantId: acme.id, limit: 0, cursor: '', personId: formatId('per', acme.hashOf(address)) },
          ...{ messageId: '', decision: '', rule: '', fromMs: 0, toMs: 0 },
        },
        CALL,
      )
    ).decisions;
  expect(await list()).toMatchObject([{ id: permit.permitId, decision: 'allow', outcome: 'open' }]);
  await close(permit.permitId);
  await close(permit.permitId, 'unknown'); // the first word counts
  const [decision] = await list();
  expect(decision).toMatchObject({ rule: 'category.transactional', outcome: 'sent', policyVersion: 0 });
  expect(JSON.parse(decision!.factsJson)).toMatchObject({
    ...{ consent: 'unknown', isCaughtUp: true, hasHours: false },
    places: { AT: ['Europe/Vienna'] }, // whose clock would have been judged
  });
  const { rows } = await house.db.query('SELECT decision::text AS text FROM compliance.decision');
  expect(JSON.stringify(rows)).not.toContain(address.slice(4)); // E7: no address is kept
});

test('E1 after an acknowledged opt-out there is no permit, and the permits of before are closed or expired', async () => {
  const address = newPhone();
  const open = await ask(address);
  const startMs = clock.monotonicMs();
  const applied = apply(stop(address));
  expect(await applied).toEqual({ isInForce: [true] });
  expect(clock.monotonicMs() - startMs).toBeGreaterThan(400); // the permit was left open
  expect(await ask(address)).toMatchObject({
    decision: 'deny',
    rule: expect.stringContaining('opt') as string,
  });
  expect((await check(address)).suppressions).toMatchObject([{ reason: 'opt_out', channel: 'all' }]);
  await eventually(() => expect(toldOf(address)).toHaveLength(1));
  await close(open.permitId);
});

test.each(['suppression', 'withdrawal', 'import', 'correction'])(
  'E1 staff hears that a %s is in force when the permits of before are closed or expired; there is none after',
  async (way) => {
    const by = { tenantId: acme.id, actorId: ACTOR };
    const enter = async (address: string): Promise<unknown> => {
      const about = { ...by, address, channel: '', scope: '', reason: 'manual' };
      if (way === 'suppression') return one.changes.createSuppression(about, CALL);
      if (way === 'withdrawal') return consent(address, 'opted_out');
      if (way === 'import')
        return one.changes.importSuppressions({ ...by, rows: [{ ...about, personId: '' }] }, CALL);
      const made = await one.changes.createSuppression({ ...about, channel: 'email' }, CALL);
      const correction = { ...by, note: 'all of it', channel: 'all', scope: '', reason: '' };
      return async () => one.changes.correctSuppression({ ...correction, id: made.suppression!.id }, CALL);
    };
    const [left, closed] = [newPhone(), newPhone()];
    // A permit of an address that is linked counts as well; one that is closed ends the wait.
    const mail = newMail();
    await one.persons.linkPersons(
      { ...by, personId: formatId('per', acme.hashOf(left)), addresses: [mail], personIds: [] },
      CALL,
    );
    const corrections = way === 'correction' ? [await enter(left), await enter(closed)] : [];
    const act = (address: string, index: number) =>
      corrections.length === 0 ? enter(address) : (corrections[index] as () => Promise<unknown>)();
    expect((await ask(mail, { channel: 'push' })).decision).toBe('allow');
    const startMs = clock.monotonicMs();
    await act(left, 0);
    expect(clock.monotonicMs() - startMs).toBeGreaterThan(400);
    expect((await ask(left)).decision).toBe('deny');
    const endMs = clock.monotonicMs() + 450; // it expires later than that
    const permit = await ask(closed);
    const answered = act(closed, 1).then(() => clock.monotonicMs());
    await eventually(async () => expect((await ask(closed)).decision).toBe('deny')); // in force, not answered
    const closedMs = clock.monotonicMs();
    await close(permit.permitId);
    expect(await answered).toBeGreaterThanOrEqual(Math.min(closedMs, endMs));
  },
);

test('E1 who was stopped under another address is stopped when the link is answered', async () => {
  const [phone, mail] = [newPhone(), newMail()];
  await apply(stop(phone));
  expect((await ask(mail, { channel: 'push' })).decision).toBe('allow');
  const startMs = clock.monotonicMs();
  const personId = formatId('per', acme.hashOf(phone));
  await one.persons.linkPersons(
    { tenantId: acme.id, actorId: ACTOR, personId, addresses: [mail], personIds: [] },
    CALL,
  );
  expect(clock.monotonicMs() - startMs).toBeGreaterThan(400);
  expect((await ask(mail, { channel: 'push' })).decision).toBe('deny');
});

test('E1 a permit that is closed is not waited for', async () => {
  const address = newPhone();
  await close((await ask(address)).permitId);
  const startMs = clock.monotonicMs();
  await apply(stop(address));
  expect(clock.monotonicMs() - startMs).toBeLessThan(400);
});

test('E1 an opt-out that is stored but not applied stops every send, and is applied without ingress', async () => {
  const address = newPhone();
  const signal = stop(address);
  await append(signal);
  expect(await ask(address)).toMatchObject({ decision: 'deny', rule: 'opt_out.pending' });
  expect((await check(address)).isSuppressed).toBe(true);
  const waiting = await house.db.query('SELECT FROM compliance.pending_signal WHERE person_hash = $1', [
    acme.hashOf(address),
  ]);
  expect(waiting.rowCount).toBe(0);
  const [known] = await signalsOf(address);
  expect(known!.signaled_at.getTime()).toBe(signal.receivedAtMs); // as the fact will say
});

test('C3 the same opt-out by ingress, by its fact and by the row that waits is one signal, told once', async () => {
  const address = newPhone();
  const signal = stop(address);
  await append(signal);
  house.events.add(1, factOf(signal), factOf(signal));
  await Promise.all([apply(signal), apply(signal, signal)]);
  house.events.add(2, factOf(signal));
  const probe = stop(newPhone());
  house.events.add(2, factOf(probe));
  await eventually(async () => {
    const { rowCount } = await house.db.query('SELECT FROM compliance.consent_signal WHERE signal_id = $1', [
      uuidText(probe.eventId),
    ]);
    expect(rowCount).toBe(1);
  });
  expect(await signalsOf(address)).toHaveLength(1);
  await eventually(() => expect(toldOf(address)).toHaveLength(1));
  expect((await check(address)).suppressions).toHaveLength(1);
});

test('E2 who has just started permits nothing until it knows that it has caught up', async () => {
  house.events.areHeadsAway = true;
  const two = await house.start();
  const answer = () => two.permits.requestPermit(permitRequest(acme, newPhone()), CALL);
  await eventually(async () =>
    expect(await answer()).toMatchObject({ decision: 'defer', rule: 'compliance.behind' }),
  );
  house.events.areHeadsAway = false;
  await eventually(async () => expect(await answer()).toMatchObject({ decision: 'allow' }));
  await two.close();
});

test('E2 marketing needs consent; a cap holds whatever comes at the same time', async () => {
  const address = newMail();
  expect(await market(address)).toMatchObject({ decision: 'deny' });
  await consent(address, 'opted_in', { channel: 'email' });
  const policyJson = JSON.stringify({ caps: [{ count: 2, windowHours: 24 }] });
  const put = { tenantId: acme.id, actorId: ACTOR, policyJson, expectedVersion: 0, isOperator: false };
  expect(await one.policies.putPolicy(put, CALL)).toMatchObject({ version: 1 });
  const answers = await Promise.all(Array.from({ length: 40 }, () => market(address)));
  const allowed = answers.filter(({ decision }) => decision === 'allow');
  expect(allowed).toHaveLength(2);
  expect(answers.find(({ decision }) => decision !== 'allow')).toMatchObject({
    decision: 'defer',
    rule: 'policy.frequency',
  });
  await close(allowed[0]!.permitId, 'not_sent'); // what was not sent does not count
  expect(await market(address)).toMatchObject({ decision: 'allow' });
  await expect(one.policies.putPolicy(put, CALL)).rejects.toMatchObject({ code: 'policy.conflict' });
});

test('E1 an opt-out of one address stops every address that is linked with it', async () => {
  const [phone, mail, other] = [newPhone(), newMail(), newPhone()];
  const personId = formatId('per', acme.hashOf(phone));
  const { personIds } = await one.persons.linkPersons(
    { tenantId: acme.id, actorId: ACTOR, personId, addresses: [mail], personIds: [] },
    CALL,
  );
  expect(personIds.sort()).toEqual([personId, formatId('per', acme.hashOf(mail))].sort());
  const open = await ask(mail, { channel: 'email' });
  const startMs = clock.monotonicMs();
  await apply(stop(phone));
  expect(clock.monotonicMs() - startMs).toBeGreaterThan(400); // the permit of the other address was open
  expect((await ask(mail, { channel: 'email' })).decision).toBe('deny');
  expect((await check(mail)).isSuppressed).toBe(true);
  expect((await ask(other)).decision).toBe('allow');
  const of = { tenantId: acme.id, address: '', personId: '', channel: '' };
  const found = await one.personQuery.lookupPerson({ ...of, address: mail }, CALL);
  expect(found).toMatchObject({ linkedPersonIds: [personId], suppressions: [{ reason: 'opt_out' }] });
  // E5: the same for who has only the ID; the hashes are what other services know the person by.
  expect(await one.personQuery.lookupPerson({ ...of, personId: found.personId }, CALL)).toEqual(found);
  expect(found.personHashes).toEqual([acme.hashOf(mail), acme.hashOf(phone)]);
  expect(parseId('evt', open.permitId)).toBeDefined();
});

test('E1 a dead address that waits to be applied stops itself, not what is linked with it', async () => {
  // Would break: a mail that bounced would block the text messages of its person.
  const [phone, mail] = [newPhone(), newMail()];
  const personId = formatId('per', acme.hashOf(phone));
  await one.persons.linkPersons(
    { tenantId: acme.id, actorId: ACTOR, personId, addresses: [mail], personIds: [] },
    CALL,
  );
  await append({ ...stop(mail), channel: 'email', signal: 'hard_bounce' });
  const refused = { decision: 'deny', rule: 'suppression.hard_bounce' };
  expect(await ask(mail, { channel: 'email' })).toMatchObject(refused);
  expect((await ask(phone)).decision).toBe('allow');
  const reasons = async () => (await check(mail)).suppressions.map(({ reason }) => reason);
  await eventually(async () => expect(await reasons()).toEqual(['hard_bounce']));
  const left = 'SELECT FROM compliance.pending_signal WHERE person_hash = $1';
  expect((await house.db.query(left, [acme.hashOf(mail)])).rowCount).toBe(0);
  expect((await ask(phone)).decision).toBe('allow');
});

test('E1 an opt-out that waits stops who is linked, and nobody else who is asked about in the same moment', async () => {
  const pairs = Array.from({ length: 12 }, () => [newPhone(), newPhone()] as const);
  for (const [phone, other] of pairs.filter((_, n) => n % 2 === 1)) {
    const link = { personId: formatId('per', acme.hashOf(phone)), addresses: [other], personIds: [] };
    await one.persons.linkPersons({ tenantId: acme.id, actorId: ACTOR, ...link }, CALL);
  }
  await append(stop(pairs[9]![0]));
  const asked = await Promise.all(pairs.map(([, other]) => ask(other)));
  expect(asked.map(({ decision }) => decision)).toEqual(pairs.map((_, n) => (n === 9 ? 'deny' : 'allow')));
  expect(asked[9]).toMatchObject({ rule: 'opt_out.pending' });
});

test('E5 the history of a person shows what was said, decided and done, in pages, for one tenant only', async () => {
  const address = newPhone();
  await close((await ask(address)).permitId);
  await apply(stop(address));
  await ask(address);
  const personId = formatId('per', acme.hashOf(address));
  const read = async (limit: number) => {
    const entries: { kind: string; what: string; rule: string }[] = [];
    let cursor = '';
    do {
      const page = await one.personQuery.listPersonHistory(
        { tenantId: acme.id, personId, limit, cursor },
        CALL,
      );
      entries.push(...page.entries);
      cursor = page.nextCursor;
    } while (cursor !== '');
    return entries;
  };
  const all = await read(0);
  expect(all.map(({ kind, what }) => `${kind} ${what}`).sort()).toEqual(
    [
      'decision allow',
      'permit_closed sent',
      'signal opted_out',
      'suppressed opt_out',
      'decision deny',
    ].sort(),
  );
  expect(await read(2)).toEqual(all);
  const [, other] = house.tenants.tenants as [Tenant, Tenant];
  const foreign = { tenantId: other.id, personId, limit: 0, cursor: '' };
  expect((await one.personQuery.listPersonHistory(foreign, CALL)).entries).toEqual([]);
});

test('B10 intake may add an opt-out that waits, and nothing else; a reader changes nothing', async () => {
  await expect(intake.query('SELECT FROM compliance.pending_signal')).rejects.toThrow(/permission denied/);
  await expect(intake.query('DELETE FROM compliance.suppression')).rejects.toThrow(/permission denied/);
  const reader = house.db.database(READER_ROLE);
  for (const table of ['decision', 'permit', 'consent_proof', 'review', 'policy', 'person', 'person_link']) {
    expect((await reader.query(`SELECT FROM compliance.${table}`)).rowCount).toBe(0); // no tenant, no row
    await expect(
      reader.tenantTransaction(acme.uuidText, (tx) => tx.query(`DELETE FROM compliance.${table}`)),
    ).rejects.toThrow(/permission denied/);
  }
});

test('E2 old permits are dropped by the day, and young ones cannot be', async () => {
  const worker = house.db.database('posthorn_compliance');
  await worker.query(`SELECT compliance.ensure_partitions('2020-01-01', 2)`);
  const drop = (day: string) =>
    worker.query<{ dropped: number }>('SELECT compliance.drop_partitions($1, $2::date) AS dropped', [
      'permit',
      day,
    ]);
  expect((await drop('2020-01-02')).rows).toEqual([{ dropped: 1 }]);
  expect((await drop('2020-01-02')).rows).toEqual([{ dropped: 0 }]);
  await expect(drop(new Date(clock.nowMs()).toISOString().slice(0, 10))).rejects.toThrow(/last week/);
});

test('H2 decisions, their rate and the distance to the log are measured', async () => {
  const text = await (await fetch(`${one.healthUrl}/metrics`)).text();
  expect(text).toMatch(/posthorn_permit_decisions_total\{decision="allow"\} [1-9]/);
  expect(text).toMatch(/posthorn_permit_decision_seconds_count [1-9]/);
  expect(text).toMatch(/posthorn_opt_out_propagation_seconds_count [1-9]/);
  await eventually(async () =>
    expect(await (await fetch(`${one.healthUrl}/metrics`)).text()).toMatch(
      /posthorn_compliance_behind_seconds \d/,
    ),
  );
});
