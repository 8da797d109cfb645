import { formatId, newUuid } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant } from './harness.js';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let phones = 0;
const newPhone = (): string => `+43665${String((phones += 1)).padStart(7, '0')}`;
const isReady = () =>
  eventually(async () => expect((await fetch(`${one.healthUrl}/health/ready`)).status).toBe(200));
beforeAll(async () => {
  house = await House.open('compliance audit');
  acme = house.tenants.tenants[0]!;
  one = await house.start();
  await isReady();
});
afterAll(() => house.close());

const principal = { id: 'key_anna', kind: 'tenant', remoteAddress: '192.0.2.9' };
const by = () => ({ tenantId: acme.id, actorId: principal.id, principal });
const SUPPRESSION = { channel: 'sms', scope: '', reason: '' };
const CONSENT = { channel: 'sms', program: '', status: 'opted_in', proof: undefined, occurredAtMs: 0 };
const suppress = async (address: string) =>
  (await one.changes.createSuppression({ ...by(), ...SUPPRESSION, address }, CALL)).suppression!;
const personAt = (address: string) => formatId('per', acme.hashOf(address));
const entriesOf = (count: number, target: string) =>
  eventually(() => {
    const found = house.audit.entries.filter((entry) => entry.target === target);
    expect(found).toHaveLength(count);
    expect(found.map(({ actor, tenantId }) => ({ actor, tenantId }))).toMatchObject(
      found.map(() => ({ actor: principal, tenantId: acme.id })),
    );
    return found.map(({ action, detailJson }) => ({ action, detail: JSON.parse(detailJson) as unknown }));
  });
const numbered = async () =>
  BigInt(
    (
      await house.db.query<{ value: string }>(
        `SELECT value FROM compliance.audit_outgoing_counter WHERE name = 'numbered'`,
      )
    ).rows[0]!.value,
  );

test('B8 E8 a suppression is made, corrected and lifted: before and after, the person by hash; the same again adds nothing', async () => {
  const address = newPhone();
  const { id } = await suppress(address);
  await suppress(address);
  const wanted = { note: 'Ada called', channel: 'email', scope: '', reason: '' };
  const corrected = await one.changes.correctSuppression({ ...by(), id, ...wanted }, CALL);
  const right = corrected.suppression!.id;
  const lift = () => one.changes.deleteSuppression({ ...by(), id: right, reason: 'Ada called' }, CALL);
  await lift();
  await expect(lift()).rejects.toMatchObject({ code: 'suppression.not_found' });
  const seen = { personId: personAt(address), scope: 'all', reason: 'manual' };
  const [sms, email] = [
    { ...seen, id, channel: 'sms' },
    { ...seen, id: right, channel: 'email' },
  ];
  expect(await entriesOf(2, id)).toEqual([
    { action: 'suppression.created', detail: { after: sms } },
    { action: 'suppression.corrected', detail: { before: sms, after: email } },
  ]);
  expect(await entriesOf(1, right)).toEqual([{ action: 'suppression.lifted', detail: { before: email } }]);
});

test('B8 E8 an import leaves an entry for each row that changed something, and none for the others', async () => {
  const [known, fresh] = [newPhone(), newPhone()];
  await suppress(known);
  const before = await numbered();
  const rows = [known, fresh, ''].map((address) => ({ ...SUPPRESSION, address, personId: '' }));
  const { results } = await one.changes.importSuppressions({ ...by(), rows }, CALL);
  expect(results.map(({ outcome }) => outcome)).toEqual(['known', 'created', 'refused']);
  await entriesOf(1, results[1]!.id);
  const consents = [fresh, fresh].map((address) => ({
    ...CONSENT,
    address,
    personId: '',
    occurredAtMs: 1_000,
  }));
  const imported = await one.consents.importConsents(
    { ...by(), rows: consents.map((row) => ({ ...row, id: '' })) },
    CALL,
  );
  expect(imported.results.map(({ outcome }) => outcome).sort()).toEqual(['created', 'known']);
  expect(await entriesOf(1, personAt(fresh))).toMatchObject([{ action: 'consent.created' }]);
  expect((await numbered()) - before).toBe(2n);
});

test('B8 E8 consents, links and policies are in the log; a policy that is only checked is not', async () => {
  const [address, other] = [newPhone(), newPhone()];
  await one.consents.createConsent({ ...by(), ...CONSENT, address }, CALL);
  const link = (addresses: string[]) =>
    one.persons.linkPersons({ ...by(), personId: personAt(address), addresses, personIds: [] }, CALL);
  await link([]); // asks who is linked
  await link([other]);
  expect(await entriesOf(2, personAt(address))).toMatchObject([
    { action: 'consent.created', detail: { after: { channel: 'sms', program: 'all', status: 'opted_in' } } },
    {
      action: 'person.linked',
      detail: { after: { personIds: expect.arrayContaining([personAt(other)]) as unknown } },
    },
  ]);
  const { version } = await one.policies.getPolicy({ tenantId: acme.id }, CALL);
  const put = (more: object = {}) =>
    one.policies.putPolicy(
      { ...by(), policyJson: '{"caps":[]}', expectedVersion: version, isOperator: false, ...more },
      CALL,
    );
  await put({ dryRun: true });
  await put();
  await expect(put()).rejects.toMatchObject({ code: 'policy.conflict' });
  expect(await entriesOf(1, acme.id)).toEqual([
    { action: 'policy.replaced', detail: { before: { version }, after: { version: version + 1 } } },
  ]);
});

test('B8 E8 a review that a person decides is in the log once, however often it is said', async () => {
  const eventId = newUuid(clock.nowMs());
  house.events.texts.set(eventId.toString('hex'), 'Please stop texting me');
  house.events.add(1, {
    ...{ tenantId: acme.uuid, eventId, personHash: acme.hashOf(newPhone()), signal: '' },
    ...{ occurredAtMs: clock.nowMs(), receivedAtMs: clock.nowMs() },
  });
  const id = formatId('evt', eventId);
  const decide = () =>
    one.changes.decideReview({ ...by(), eventId: id, state: 'lifted', note: 'Ada meant a bus' }, CALL);
  await eventually(decide);
  await decide();
  expect(await entriesOf(1, id)).toEqual([
    { action: 'review.lifted', detail: { before: { state: 'open' }, after: { state: 'lifted' } } },
  ]);
});

test('B8 what cannot be written down does not happen, and what fails is not in the log', async () => {
  const before = await numbered();
  await house.db.query(
    `ALTER TABLE compliance.audit_outgoing ADD CONSTRAINT full_disk CHECK (target = '') NOT VALID`,
  );
  const address = newPhone();
  await expect(suppress(address)).rejects.toThrow();
  await expect(one.consents.createConsent({ ...by(), ...CONSENT, address }, CALL)).rejects.toThrow();
  await house.db.query('ALTER TABLE compliance.audit_outgoing DROP CONSTRAINT full_disk');
  for (const table of ['suppression', 'consent_signal', 'outgoing']) {
    const { rows } = await house.db.query(`SELECT FROM compliance.${table} WHERE person_hash = $1`, [
      acme.hashOf(address),
    ]);
    expect({ table, rows: rows.length }).toEqual({ table, rows: 0 });
  }
  expect(await numbered()).toBe(before);
});

test('B8 no address and no word of a person is on its way to the log', () => {
  const text = JSON.stringify(house.audit.entries.map(({ number: _, ...entry }) => entry));
  expect(text).toContain('suppression.created');
  expect(text).not.toMatch(/43665|Ada|bus/);
});

test('B8 the log’s answers are lost and the service ends in between: every act is in it exactly once', async () => {
  const calls = house.audit.calls;
  house.audit.isAnswerLost = true;
  const made = [await suppress(newPhone()), await suppress(newPhone())];
  await eventually(() => expect(house.audit.calls).toBeGreaterThan(calls + 1));
  await one.close();
  one = await house.start();
  await isReady();
  made.push(await suppress(newPhone()));
  house.audit.isAnswerLost = false;
  for (const { id } of made) await entriesOf(1, id);
  await eventually(async () => {
    const { rows } = await house.db.query('SELECT number FROM compliance.audit_outgoing');
    expect(rows).toEqual([]);
  });
  expect(house.audit.entries.map(({ number }) => number)).toEqual(
    house.audit.entries.map((_, index) => BigInt(index + 1)),
  );
});
