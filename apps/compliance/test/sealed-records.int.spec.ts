import { randomBytes } from 'node:crypto';
import { formatId, idOfUuid, newUuid, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import type { ConsentProof } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import type { Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { dumpOf, tablesThatSay } from './dump.js';
import { CALL, clock, House, type Tenant } from './harness.js';
import { Races } from './opt-out-races.fixture.js';

const ACTOR = 'key_test';
const PAGE = { limit: 0, cursor: '' };
const SEALED_SOON = { timeoutMs: 30_000 };

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let [acme, other] = [] as unknown as [Tenant, Tenant];
let intake: Database;
let races: Races;
beforeAll(async () => {
  house = await House.open('compliance sealed records');
  [acme, other] = house.tenants.tenants as [Tenant, Tenant];
  intake = await house.intake({ poolMax: 2 });
  races = new Races(acme, intake);
  one = await house.start();
  await eventually(async () => expect((await fetch(`${one.healthUrl}/health/ready`)).status).toBe(200));
}, 60_000);
afterAll(() => house.close());

const canary = (what: string): string => `${what} of Ada ${randomBytes(9).toString('hex')}`;
const personIdOf = (address: string, tenant = acme) => formatId('per', tenant.hashOf(address));
const proofOf = (wording: string): ConsentProof => ({
  ...{ eventId: '', wording, wordingVersion: '3', method: 'web_form' },
  ...{ url: 'https://shop.test/join', ip: '203.0.113.7', note: '' },
});
const consent = (address: string, wording: string, status = 'opted_in') =>
  one.consents.createConsent(
    {
      ...{ tenantId: acme.id, actorId: ACTOR, address, channel: 'sms', program: '', status },
      ...{ proof: proofOf(wording), occurredAtMs: clock.nowMs() - 60_000 },
    },
    CALL,
  );
const consents = async (address: string, tenant = acme) => {
  const filter = { tenantId: tenant.id, personId: personIdOf(address, tenant), ...PAGE };
  return (await one.consentQuery.listConsents(filter, CALL)).consents;
};
const suppress = async (address: string): Promise<string> => {
  const request = {
    tenantId: acme.id,
    actorId: ACTOR,
    address,
    channel: 'sms',
    scope: '',
    reason: 'opt_out',
  };
  return (await one.changes.createSuppression(request, CALL)).suppression!.id;
};
const lift = (id: string, reason: string) =>
  one.changes.deleteSuppression({ tenantId: acme.id, actorId: ACTOR, id, reason }, CALL);
const correct = (id: string, note: string) =>
  one.changes.correctSuppression(
    { tenantId: acme.id, actorId: ACTOR, id, note, channel: 'all', scope: '', reason: '' },
    CALL,
  );
const endedReasons = async (address: string): Promise<string[]> => {
  const filter = { personId: personIdOf(address), reason: '', channel: '', hasLifted: true };
  const { suppressions } = await one.query.listSuppressions({ tenantId: acme.id, ...PAGE, ...filter }, CALL);
  return suppressions.filter(({ liftedAtMs }) => liftedAtMs > 0).map(({ liftedReason }) => liftedReason);
};
const details = async (address: string): Promise<string[]> => {
  const asked = { tenantId: acme.id, personId: personIdOf(address), ...PAGE };
  const { entries } = await one.personQuery.listPersonHistory(asked, CALL);
  return entries.map(({ detail }) => detail).filter((detail) => detail !== '');
};
const isDenied = async (address: string): Promise<boolean> =>
  (await eventually(() => races.ask(one, address), SEALED_SOON)).decision === 'deny';
/** A message that the phrase tier takes for an opt-out. @returns its event. */
async function review(address: string): Promise<string> {
  const eventId = newUuid(clock.nowMs());
  house.events.texts.set(eventId.toString('hex'), 'Please stop texting me');
  house.events.add(1, {
    ...{ tenantId: acme.uuid, eventId, personHash: acme.hashOf(address), type: 'message.received' },
    ...{ receivedAtMs: clock.nowMs(), storedAtMs: clock.nowMs() },
  });
  const id = idOfUuid('evt', uuidText(eventId));
  await eventually(async () => {
    const open = await one.query.listReviews({ tenantId: acme.id, state: 'open', ...PAGE }, CALL);
    expect(open.reviews.map((each) => each.eventId)).toContain(id);
  });
  return id;
}
const decide = (eventId: string, note: string) =>
  one.changes.decideReview({ tenantId: acme.id, actorId: ACTOR, eventId, state: 'lifted', note }, CALL);

/** Something in words about a person in every place where there may be. @returns the words. */
async function writeEverywhere(address: string): Promise<string[]> {
  const said = ['wording', 'reason', 'note', 'verdict'].map(canary) as [string, string, string, string];
  await consent(address, said[0]);
  await lift(await suppress(address), said[1]);
  await correct(await suppress(address), said[2]);
  await decide(await review(races.newPhone()), said[3]);
  return said;
}
const showsAll = async (address: string, [wording, reason, note]: readonly string[]): Promise<void> => {
  const proofs = (await consents(address)).flatMap(({ proof }) => proof ?? []);
  expect(proofs).toEqual([proofOf(wording!)]);
  expect((await endedReasons(address)).sort()).toEqual([reason, note].sort());
  // The suppression that ended, and the opt-out that was taken back.
  expect((await details(address)).filter((detail) => detail === reason)).toHaveLength(2);
};
const clearCount = async (): Promise<number> => {
  const metrics = await (await fetch(`${one.healthUrl}/metrics`)).text();
  return Number(/^posthorn_clear_consent_records (\d+)$/m.exec(metrics)![1]);
};
/** Tells the process of another key, and waits until it has taken it. */
async function give(tenant: Tenant, recordKey: Tenant['recordKey'], hasTaken: () => Promise<unknown>) {
  tenant.recordKey = recordKey;
  house.tenants.tell();
  await eventually(hasTaken, SEALED_SOON);
}

test('B6 E4 E7 proofs, reasons and notes are nowhere in the database, and the API shows them as they were', async () => {
  const address = races.newPhone();
  const said = await writeEverywhere(address);
  expect(tablesThatSay(await dumpOf(house.db), said)).toEqual([]);
  await showsAll(address, said);
});

test('E8 B6 what is exported goes into another tenant with its proof, under that one’s key', async () => {
  const address = races.newPhone();
  const wording = canary('wording');
  await consent(address, wording);
  const [{ proof, occurredAtMs }] = (await consents(address)) as [Awaited<ReturnType<typeof consents>>[0]];
  const row = { address, personId: '', channel: 'sms', program: '', status: 'opted_in', proof, occurredAtMs };
  const into = { tenantId: other.id, actorId: ACTOR, rows: [{ ...row, id: '' }] };
  expect((await one.consents.importConsents(into, CALL)).results).toMatchObject([{ outcome: 'created' }]);
  expect((await consents(address, other)).map((each) => each.proof)).toEqual([proofOf(wording)]);
  expect(tablesThatSay(await dumpOf(house.db), [wording])).toEqual([]);
});

test('B6 B10 a proof or a reason that was moved to another row is refused, and not shown as that row’s', async () => {
  const [from, to] = [races.newPhone(), races.newPhone()];
  for (const address of [from, to]) {
    await consent(address, canary('wording'));
    await lift(await suppress(address), canary('reason'));
  }
  for (const [table, column] of [
    ['consent_proof', 'proof'],
    ['suppression', 'lifted_reason'],
  ] as const) {
    await house.db.query(
      `UPDATE compliance.${table} SET ${column} = (SELECT ${column} FROM compliance.${table} WHERE person_hash = $1)
       WHERE person_hash = $2`,
      [acme.hashOf(from), acme.hashOf(to)],
    );
  }
  const refused = { code: 'ciphertext.invalid' };
  await expect(consents(to)).rejects.toMatchObject(refused);
  await expect(endedReasons(to)).rejects.toMatchObject(refused);
  await expect(details(to)).rejects.toMatchObject(refused);
  expect((await consents(from)).filter(({ proof }) => proof !== undefined)).toHaveLength(1);
  await house.db.query('DELETE FROM compliance.consent_proof WHERE person_hash = $1', [acme.hashOf(to)]);
  await house.db.query('DELETE FROM compliance.suppression WHERE person_hash = $1', [acme.hashOf(to)]);
});

test('B6 E1 without the key in memory words are refused and lost nowhere, while STOPs, permits and suppressions go on', async () => {
  const [address, stopped, told] = [races.newPhone(), races.newPhone(), races.newPhone()];
  const [wording, reason] = [canary('wording'), canary('reason')];
  const kept = acme.recordKey!;
  await consent(told, wording);
  const suppression = await suppress(address);
  const away = { code: 'data_key.unavailable' };
  await give(acme, { ...kept, key: Buffer.alloc(0) }, () =>
    expect(consents(told)).rejects.toMatchObject(away),
  );

  await expect(consent(address, wording)).rejects.toMatchObject(away);
  await expect(lift(suppression, reason)).rejects.toMatchObject(away);
  await expect(correct(suppression, reason)).rejects.toMatchObject(away);
  expect(await isDenied(address)).toBe(true); // nothing of the refused acts happened
  expect(await isDenied(stopped)).toBe(false);
  const race = await races.race(
    () => one,
    () => one,
    'intake',
    stopped,
  );
  expect(race).toMatchObject({ isAnswered: true, isDenied: true });
  const suppressed = races.newPhone();
  await suppress(suppressed);
  expect(await isDenied(suppressed)).toBe(true);
  const erase = { tenantId: acme.id, actorId: ACTOR, personId: personIdOf(told) };
  expect((await one.persons.erasePerson(erase, CALL)).erased).toContainEqual({
    ...{ table: 'consent_proof', rows: 1 },
  });
  // A START ends a STOP with a word of ours.
  const start = {
    ...{ tenantId: acme.uuid, eventId: newUuid(clock.nowMs()), personHash: acme.hashOf(stopped) },
    ...{ signal: 'opt_in', receivedAtMs: clock.nowMs() + 120_000, storedAtMs: clock.nowMs() },
  };
  house.events.add(2, start);
  await eventually(async () => expect(await isDenied(stopped)).toBe(false), SEALED_SOON);

  await give(acme, kept, () => consent(address, wording));
  await lift(suppression, reason);
  expect(await endedReasons(address)).toEqual([reason]);
  expect(tablesThatSay(await dumpOf(house.db), [wording, reason])).toEqual([]);
});

test('B6 I6 what was written before there was a key, or by a version that seals nothing, is sealed when there is one', async () => {
  const address = races.newPhone();
  const kept = acme.recordKey!;
  acme.recordKey = undefined;
  house.tenants.tell();
  let said: string[] = [];
  await eventually(async () => {
    // Until the process has heard that there is none.
    const wording = canary('wording');
    await consent(races.newPhone(), wording);
    expect(tablesThatSay(await dumpOf(house.db), [wording])).toEqual(['compliance.consent_proof']);
  }, SEALED_SOON);
  said = await writeEverywhere(address);
  const places = ['consent_proof', 'consent_signal', 'review', 'suppression'];
  expect(tablesThatSay(await dumpOf(house.db), said).sort()).toEqual(
    places.map((table) => `compliance.${table}`),
  );
  await showsAll(address, said);
  await eventually(async () => expect(await clearCount()).toBeGreaterThanOrEqual(places.length), SEALED_SOON);

  acme.recordKey = kept;
  house.tenants.tell();
  const isSealed = () =>
    eventually(async () => expect(tablesThatSay(await dumpOf(house.db), said)).toEqual([]), SEALED_SOON);
  await isSealed();
  await showsAll(address, said);

  // The version before, beside this one or after a rollback, writes as it always did.
  const [note, wording] = [canary('note'), canary('wording')];
  const row = (await consents(address)).find(({ proof }) => proof !== undefined)!;
  said = [note, wording];
  const id = uuidOfId('evt', row.id);
  await house.db.query('UPDATE compliance.consent_signal SET note = $2 WHERE signal_id = $1', [id, note]);
  await house.db.query('UPDATE compliance.consent_proof SET proof = $2 WHERE signal_id = $1', [
    id,
    JSON.stringify(proofOf(wording)),
  ]);
  await isSealed();
  expect(await details(address)).toContain(note);
  await eventually(async () => expect(await clearCount()).toBe(0), SEALED_SOON);
});

test('E6 an erasure takes what is sealed as it takes what is not', async () => {
  const address = races.newPhone();
  await consent(address, canary('wording'));
  await lift(await suppress(address), canary('reason'));
  const person = { tenantId: acme.id, actorId: ACTOR, personId: personIdOf(address) };
  const { erased } = await one.persons.erasePerson(person, CALL);
  expect(erased.filter(({ rows }) => rows > 0).map(({ table }) => table)).toEqual([
    ...['consent_proof', 'consent_signal', 'suppression'],
  ]);
  const { rows } = await house.db.query<{ left: number }>(
    `SELECT (SELECT count(*) FROM compliance.consent_proof WHERE person_hash = $1)
          + (SELECT count(*) FROM compliance.consent_signal WHERE person_hash = $1 AND note <> '')
          + (SELECT count(*) FROM compliance.suppression WHERE person_hash = $1 AND lifted_reason <> '') AS left`,
    [acme.hashOf(address)],
  );
  expect(Number(rows[0]!.left)).toBe(0);
  expect(await endedReasons(address)).toEqual(['']);
});
