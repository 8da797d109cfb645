import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import pg from 'pg';
import type { Database } from '@posthorn/postgres/database.js';
import { keptHash } from '@posthorn/crypto/kept-hash.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { personKeyLock } from '../src/domain/person.js';
import { CALL, clock, House, type Tenant, UNAVAILABLE } from './harness.js';
import { Races, type Race } from './opt-out-races.fixture.js';

type Service = Awaited<ReturnType<House['start']>>;

const NAMING = [
  ...['suppression', 'consent_signal', 'consent_proof', 'person', 'person_link', 'review'],
  ...['decision', 'permit', 'mail_delivery', 'outgoing'],
];
const MOVE_TIMEOUT = { timeoutMs: 30_000 };
/** More than one transaction of the move. */
const MANY = 80;
/** In so long every process has learned of the end of a move; written out here: the test must not believe the code. */
const KNOWN_AFTER_MS = 5_000;
/** A process that has not heard of a change is late by a second at most: the more changes, the more of that time is raced in. */
const CHANGES = 5;
const [RACERS, AT_ONCE] = [8, 20];
/** Fewer say nothing. */
const [RACES_MIN, PERMITS_MIN] = [50, 1];
const STAFF = { actorId: 'usr_ada', principal: undefined };

let house: House;
let acme: Tenant;
let intake: Database;
let races: Races;
let services: Service[];

beforeAll(async () => {
  house = await House.open('compliance person keys');
  [acme] = house.tenants.tenants as [Tenant];
  intake = await house.intake({ poolMax: 4 });
  races = new Races(acme, intake);
  services = [await house.start(), await house.start()];
  await eventually(async () => expect((await races.ask(one(), races.newPhone())).decision).toBe('allow'), {
    timeoutMs: 30_000,
  });
}, 60_000);
afterAll(() => house.close());

const one = (): Service => services[0]!;
const any = (): Service => services[Math.floor(Math.random() * services.length)]!;

const suppress = async (address: string): Promise<void> => {
  await one().changes.createSuppression(
    { tenantId: acme.id, ...STAFF, address, channel: '', scope: '', reason: '' },
    CALL,
  );
};

/** Every hash that stands anywhere. */
async function hashesKept(): Promise<Set<string>> {
  const { rows } = await house.db.query<{ hash: string }>(
    NAMING.map(
      (table) =>
        `SELECT encode(person_hash, 'hex') AS hash FROM compliance.${table} WHERE tenant_id = '${acme.uuidText}'`,
    ).join(' UNION '),
  );
  return new Set(rows.map(({ hash }) => hash));
}

const state = () => one().personQuery.getPersonKeyChange({ tenantId: acme.id }, CALL);
const settled = async (generation: number): Promise<void> =>
  eventually(async () => {
    expect(await state()).toMatchObject({ generation, state: 'settled', formerDestroyed: true });
  }, MOVE_TIMEOUT);
/** Makes a move that is over one that has been so for as long as is waited for. */
const passTime = () =>
  house.db.query(
    `UPDATE compliance.person_key SET completed_at = completed_at - interval '${KNOWN_AFTER_MS} milliseconds'
     WHERE completed_at > now() - interval '${KNOWN_AFTER_MS} milliseconds'`,
  );
const soonSettled = async (generation: number): Promise<void> => {
  await eventually(async () => {
    expect((await passTime()).rowCount).toBe(1);
  }, MOVE_TIMEOUT);
  await settled(generation);
};

async function change(): Promise<void> {
  house.tenants.renewPersonKey(acme);
  await soonSettled(acme.personKeys.at(-1)!.generation);
}

const keptNow = (address: string): string =>
  keptHash(acme.personKeys.at(-1)!.key, acme.hashOf(address)).toString('hex');
/** A process that has not heard of a change says so, once, and is asked again. */
const decisionOn = (address: string): Promise<string> =>
  eventually(async () => (await races.ask(any(), address)).decision, MOVE_TIMEOUT);
const isRefused = async (address: string): Promise<boolean> => (await decisionOn(address)) === 'deny';

/** Whether a send could have begun after the acknowledged opt-out. */
const isTooLate = ({ sendsUntilMs, acknowledgedAtMs }: Race): boolean =>
  sendsUntilMs.some((ms) => ms > acknowledgedAtMs);

/** Does it for all of them, some at a time. */
async function forAll(addresses: readonly string[], act: (address: string) => Promise<unknown>) {
  for (let at = 0; at < addresses.length; at += AT_ONCE)
    await Promise.all(addresses.slice(at, at + AT_ONCE).map(act));
}
async function notRefused(addresses: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  await forAll(addresses, async (address) => {
    if (!(await isRefused(address))) found.push(address);
  });
  return found;
}

test('E1 E6 after a change no hash of before is left, and whoever was suppressed is refused; after the next one too', async () => {
  const phones = Array.from({ length: MANY }, () => races.newPhone());
  const free = races.newPhone();
  await forAll(phones, suppress);
  await races.ask(one(), free);
  expect((await state()).state).toBe('none');
  const before = await hashesKept();
  expect(before.size).toBeGreaterThanOrEqual(phones.length);

  // Once in its own time: the former key is there until every process knows.
  const startMs = clock.monotonicMs();
  house.tenants.renewPersonKey(acme);
  await settled(acme.personKeys.at(-1)!.generation);
  expect(clock.monotonicMs() - startMs).toBeGreaterThan(KNOWN_AFTER_MS);
  const after = await hashesKept();
  expect([...after].filter((hash) => before.has(hash))).toEqual([]);
  expect(phones.every((phone) => after.has(keptNow(phone)))).toBe(true);
  expect((await state()).moved).toBeGreaterThan(0);
  // Each process may say so; the same again changes nothing.
  expect([...new Set(house.tenants.settled)]).toEqual([1]);

  await change();
  expect([...(await hashesKept())].filter((hash) => after.has(hash) || before.has(hash))).toEqual([]);
  expect(await notRefused(phones)).toEqual([]);
  expect(await isRefused(free)).toBe(false);
  expect((await house.db.query('SELECT FROM compliance.moved_person')).rows).toEqual([]);
}, 90_000);

test('E1 E6 a change waits for whoever still names persons by the key before', async () => {
  // Would break: what that one writes would stand under the former key, behind the move's back.
  const generationKept = async (): Promise<number> => {
    const { rows } = await house.db.query<{ generation: number }>(
      'SELECT generation FROM compliance.person_key WHERE tenant_id = $1',
      [acme.uuidText],
    );
    return rows[0]!.generation;
  };
  const before = await generationKept();
  const holder = new pg.Client({ connectionString: house.db.url });
  await holder.connect();
  try {
    await holder.query('SELECT pg_advisory_lock_shared($1::bigint)', [String(personKeyLock(acme.uuidText))]);
    house.tenants.renewPersonKey(acme);
    const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    await eventually(async () => expect((await house.db.query(waiting)).rowCount).toBeGreaterThan(0));
    expect(await generationKept()).toBe(before);
  } finally {
    await holder.end();
  }
  await soonSettled(acme.personKeys.at(-1)!.generation);
}, 60_000);

test('E1 E6 others know a person by the same ID as ever: lists, lookups, links, history, and what the log is told', async () => {
  const [phone, mail] = [races.newPhone(), 'ada@example.com'];
  await suppress(phone);
  const idOf = (address: string): string => formatId('per', acme.hashOf(address));
  const link = { tenantId: acme.id, ...STAFF, personId: idOf(phone), addresses: [mail], personIds: [] };
  await one().persons.linkPersons(link, CALL);
  const look = async () => {
    const lookup = await any().personQuery.lookupPerson(
      { tenantId: acme.id, address: phone, personId: '', channel: '' },
      CALL,
    );
    const history = await any().personQuery.listPersonHistory(
      { tenantId: acme.id, personId: idOf(phone), limit: 50, cursor: '' },
      CALL,
    );
    const list = await any().query.listSuppressions(
      {
        tenantId: acme.id,
        personId: idOf(phone),
        reason: '',
        channel: '',
        hasLifted: true,
        limit: 10,
        cursor: '',
      },
      CALL,
    );
    return {
      ids: [lookup.personId, ...lookup.linkedPersonIds],
      hashes: lookup.personHashes.map((hash) => hash.toString('hex')),
      inForce: lookup.suppressions.map(({ personId, reason }) => [personId, reason]),
      // Both were linked in the same moment.
      happened: history.entries.map(({ personId, what }) => `${personId} ${what}`).sort(),
      listed: list.suppressions.map(({ personId, id }) => [personId, id]),
    };
  };
  const before = await look();
  expect(before.ids).toEqual([idOf(phone), idOf(mail)]);
  expect(before.listed).toHaveLength(1);
  await change();
  for (let looks = 0; looks < 6; looks++) expect(await eventually(look, MOVE_TIMEOUT)).toEqual(before);

  // Another one's address is stopped through the link, and what is told names the person as the log does.
  expect(await decisionOn(mail)).toBe('deny');
  await any().changes.deleteSuppression(
    { tenantId: acme.id, ...STAFF, id: before.listed[0]![1]!, reason: 'called us' },
    CALL,
  );
  expect(await decisionOn(phone)).toBe('allow');
  await eventually(() => {
    const told = [...house.events.appended.values()].filter(({ personHash }) =>
      personHash.equals(acme.hashOf(phone)),
    );
    expect(told.length).toBeGreaterThanOrEqual(2);
  });
}, 60_000);

test('E1 E6 an opt-out that waits when the key changes, of the person or of one linked, stops sends and is applied', async () => {
  const [phone, other] = [races.newPhone(), races.newPhone()];
  const personId = formatId('per', acme.hashOf(phone));
  await one().persons.linkPersons(
    { tenantId: acme.id, ...STAFF, personId, addresses: [other], personIds: [] },
    CALL,
  );
  await change();
  await intake.query(
    'INSERT INTO compliance.pending_signal (tenant_id, person_hash, event_id, channel) VALUES ($1, $2, $3, $4)',
    [acme.uuidText, acme.hashOf(phone), uuidText(newUuid(clock.nowMs())), 'sms'],
  );
  expect(await decisionOn(phone)).not.toBe('allow');
  expect(await decisionOn(other)).not.toBe('allow');
  await eventually(
    async () => expect((await house.db.query('SELECT FROM compliance.pending_signal')).rows).toEqual([]),
    MOVE_TIMEOUT,
  );
  expect(await isRefused(phone)).toBe(true);
}, 60_000);

test('E1 F8 opt-outs and permits race on while keys change: no send after an acknowledged opt-out, no suppression lost', async () => {
  const results: Race[] = [];
  const phones: string[] = [];
  let isOver = false;
  const racing = Array.from({ length: RACERS }, async () => {
    while (!isOver) {
      const phone = races.newPhone();
      phones.push(phone);
      results.push(await races.race(any, any, Math.random() < 0.2 ? 'alone' : 'intake', phone));
    }
  });
  const late: string[] = [];
  try {
    for (let changes = 0; changes < CHANGES; changes++) {
      // Told by hand in the middle of the move as well.
      house.tenants.renewPersonKey(acme);
      const phone = races.newPhone();
      await eventually(() => suppress(phone), MOVE_TIMEOUT);
      late.push(phone);
      await soonSettled(acme.personKeys.at(-1)!.generation);
    }
    await eventually(() => {
      expect(results.length).toBeGreaterThan(RACES_MIN);
      expect(results.filter(({ permits }) => permits > 0).length).toBeGreaterThan(PERMITS_MIN);
    }, MOVE_TIMEOUT);
  } finally {
    isOver = true;
    await Promise.all(racing);
  }
  expect(results.filter(isTooLate)).toEqual([]);
  expect(results.filter(({ isDenied }) => !isDenied)).toEqual([]);
  await eventually(
    async () => expect((await house.db.query('SELECT FROM compliance.pending_signal')).rows).toEqual([]),
    MOVE_TIMEOUT,
  );
  expect(await notRefused([...phones, ...late])).toEqual([]);
}, 120_000);

test('E6 F8 a move that is cut off in the middle goes on where it was; the former key is kept until it is told', async () => {
  const phones = Array.from({ length: 2 * MANY }, () => races.newPhone());
  await forAll(phones, suppress);
  const before = await hashesKept();
  // Some rows cannot be moved: as if every process died there, each time it comes to them.
  // The last of them in the order of the move: others have moved by then.
  const last = phones.reduce((one, other) => (keptNow(one) > keptNow(other) ? one : other));
  const stuck = keptNow(last);
  await house.db.query(
    `CREATE FUNCTION compliance.stop_there() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN IF OLD.person_hash = '\\x${stuck}'::bytea AND NEW.person_hash <> OLD.person_hash THEN
         RAISE EXCEPTION 'cut off'; END IF; RETURN NEW; END $$`,
  );
  await house.db.query(
    `CREATE TRIGGER stop_there BEFORE UPDATE ON compliance.suppression
       FOR EACH ROW EXECUTE FUNCTION compliance.stop_there()`,
  );
  house.tenants.settleFailure = UNAVAILABLE;
  house.tenants.renewPersonKey(acme);
  const generation = acme.personKeys.at(-1)!.generation;
  await eventually(
    async () => expect(await state()).toMatchObject({ generation, state: 'moving' }),
    MOVE_TIMEOUT,
  );
  await eventually(async () => {
    const kept = await hashesKept();
    expect(phones.filter((phone) => kept.has(keptNow(phone))).length).toBeGreaterThan(0);
  }, MOVE_TIMEOUT);
  // Some have moved and some have not; all of them are refused, or nothing is said.
  for (const phone of phones.filter((one, at) => at % 20 === 1 && one !== last))
    expect(await isRefused(phone)).toBe(true);
  await expect(races.ask(any(), last)).rejects.toThrow();
  expect(acme.personKeys.map((key) => key.generation)).toEqual([generation - 1, generation]);

  for (const service of services) await service.close();
  await house.db.query('DROP TRIGGER stop_there ON compliance.suppression');
  services = [await house.start()];
  await soonSettled(generation);
  expect(house.tenants.settled.at(-1)).toBe(generation);
  expect(acme.personKeys.map((key) => key.generation)).toEqual([generation]);
  expect([...(await hashesKept())].filter((hash) => before.has(hash))).toEqual([]);
  await eventually(async () => expect(await isRefused(phones[0]!)).toBe(true), MOVE_TIMEOUT);
  expect(await notRefused(phones)).toEqual([]);
}, 120_000);

test('E1 E6 the first change of a key goes through opt-outs that the store itself answers for: no send after one', async () => {
  const [, second] = house.tenants.tenants as [Tenant, Tenant];
  const others = new Races(second, intake);
  const results: Race[] = [];
  let isOver = false;
  const racing = Array.from({ length: RACERS }, async () => {
    while (!isOver) results.push(await others.race(any, any, 'store'));
  });
  const begun = async (): Promise<number> =>
    (await house.db.query('SELECT FROM compliance.person_key WHERE tenant_id = $1', [second.uuidText]))
      .rowCount!;
  try {
    await eventually(
      () => expect(results.filter(({ isAtOnce }) => isAtOnce).length).toBeGreaterThan(RACES_MIN),
      MOVE_TIMEOUT,
    );
    house.tenants.renewPersonKey(second);
    await eventually(async () => expect(await begun()).toBe(1), MOVE_TIMEOUT);
    const before = results.length;
    await eventually(() => expect(results.length).toBeGreaterThan(before + RACES_MIN), MOVE_TIMEOUT);
  } finally {
    isOver = true;
    await Promise.all(racing);
  }
  expect(results.filter(({ permits }) => permits > 0).length).toBeGreaterThan(PERMITS_MIN);
  expect(results.filter(isTooLate)).toEqual([]);
  expect(results.filter(({ isDenied }) => !isDenied)).toEqual([]);
}, 120_000);
