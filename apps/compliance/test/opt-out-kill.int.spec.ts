import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant } from './harness.js';
import { type Race, Races } from './opt-out-races.fixture.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const KILLS = 3;
const AT_ONCE = 30;
/** Opt-outs of each kill that are stored and that nobody is asked to apply: intake died as well. */
const ALONE = 8;
/** Races in which a kill must have taken the answer away, for a run to say anything. */
const TORN_MIN = 5;
/** So many permits must have been given before a kill. */
const PERMITS_MIN = 10;
/** So long the restarted process does not learn where the log ends. */
const BLIND_MS = 1_500;

/** A process that runs, and those who ask it. */
type Life = ReturnType<House['client']> & { readonly child: ChildProcess };

let house: House;
let acme: Tenant;
let intake: Database;
let cast: Races;
let port: number;
const children: ChildProcess[] = [];

beforeAll(async () => {
  house = await House.open('compliance opt-out kill');
  [acme] = house.tenants.tenants as [Tenant];
  intake = await house.intake({ poolMax: 4 });
  cast = new Races(acme, intake);
  port = await freePort();
}, 60_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await house.close();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  server.close();
  await once(server, 'close');
  return bound;
}

/** Starts a process, on the port that the one before had. */
function live(): Life {
  const env = { ...process.env, ...house.environment(), GRPC_LISTEN: `127.0.0.1:${port}` };
  const child = spawn(process.execPath, [MAIN], { env, stdio: 'inherit' });
  children.push(child);
  return { child, ...house.client(`127.0.0.1:${port}`) };
}

async function kill({ child, channels }: Life): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (const channel of channels) channel.onApplicationShutdown();
}

/** A question that is answered by whoever lives; undefined while nobody does. */
const decisionOn = async (life: Life, address: string): Promise<string | undefined> =>
  (await cast.ask(life, address).catch(() => undefined))?.decision;
const isThere = (life: Life, decision: string): Promise<void> =>
  eventually(async () => expect(await decisionOn(life, cast.newPhone())).toBe(decision), {
    timeoutMs: 30_000,
  });

const pendingHashes = async (): Promise<Set<string>> => {
  const { rows } = await house.db.query<{ person_hash: Buffer }>(
    'SELECT person_hash FROM compliance.pending_signal',
  );
  return new Set(rows.map(({ person_hash }) => person_hash.toString('hex')));
};

const permitsOf = (races: readonly Race[]): number => races.reduce((sum, { permits }) => sum + permits, 0);

/** Stores the opt-outs of persons as the append does. */
async function store(addresses: readonly string[]): Promise<void> {
  for (const address of addresses)
    await intake.query(
      'INSERT INTO compliance.pending_signal (tenant_id, person_hash, event_id, channel) VALUES ($1, $2, $3, $4)',
      [acme.uuidText, acme.hashOf(address), uuidText(newUuid(clock.nowMs())), 'sms'],
    );
}

/**
 * Races until permits were given, and kills the process in the middle of more. @returns all races, ended.
 * @param addresses gets those of the races. @param alone their opt-outs are stored just before the kill.
 */
async function raceUntilKilled(life: Life, addresses: string[], alone: readonly string[]): Promise<Race[]> {
  const ended: Race[] = [];
  let isOver = false;
  const worker = async (): Promise<void> => {
    while (!isOver) {
      const address = cast.newPhone();
      addresses.push(address);
      const one = await cast.race(
        () => life,
        () => life,
        'intake',
        address,
      );
      ended.push(one);
    }
  };
  const workers = Array.from({ length: AT_ONCE }, worker);
  try {
    await eventually(() => expect(permitsOf(ended)).toBeGreaterThan(PERMITS_MIN), { timeoutMs: 30_000 });
    await store(alone);
  } finally {
    isOver = true;
    await kill(life);
    await Promise.all(workers);
  }
  return ended;
}

/** Everybody whose opt-out waits is asked about again and again, until nobody's does. */
async function everyAnswerUntilApplied(life: Life, addresses: readonly string[]): Promise<Set<string>> {
  const said = new Set<string>();
  await eventually(
    async () => {
      for (const decision of await Promise.all(addresses.map((address) => decisionOn(life, address))))
        if (decision !== undefined) said.add(decision);
      expect((await pendingHashes()).size).toBe(0);
    },
    { timeoutMs: 20_000 },
  );
  return said;
}

test('E1 F8 kill -9 of compliance in the middle of races: what was acknowledged holds, what waits is applied, and nobody is permitted in between', async () => {
  const races: Race[] = [];
  let current = live();
  await isThere(current, 'allow');
  for (let kills = 0; kills < KILLS; kills++) {
    const alone = Array.from({ length: ALONE }, () => cast.newPhone());
    const addresses = [...alone];
    races.push(...(await raceUntilKilled(current, addresses, alone)));
    const pending = await pendingHashes();
    const waiting = addresses.filter((address) => pending.has(acme.hashOf(address).toString('hex')));
    expect(waiting).toEqual(expect.arrayContaining(alone));

    // Until it knows where the log ends the next one permits nothing, to nobody.
    house.events.areHeadsAway = true;
    current = live();
    await isThere(current, 'defer');
    const blindUntilMs = clock.monotonicMs() + BLIND_MS;
    while (clock.monotonicMs() < blindUntilMs) {
      const { decision, rule } = await cast.ask(current, cast.newPhone());
      expect([decision, rule]).toEqual(['defer', 'compliance.behind']);
    }
    house.events.areHeadsAway = false;
    expect(await everyAnswerUntilApplied(current, waiting)).not.toContain('allow');
    await isThere(current, 'allow');
    for (const address of addresses) {
      expect(await decisionOn(current, address)).toBe('deny');
      const { suppressions } = await current.query.checkAddress(
        { tenantId: acme.id, address, channel: '' },
        CALL,
      );
      expect(suppressions).toMatchObject([{ reason: 'opt_out', channel: 'all' }]);
    }
  }
  const late = races.filter(({ sendsUntilMs, acknowledgedAtMs }) =>
    sendsUntilMs.some((untilMs) => untilMs > acknowledgedAtMs),
  );
  expect(late.slice(0, 3)).toEqual([]);
  expect(races.filter(({ isDenied }) => !isDenied)).toEqual([]);
  expect(races.filter(({ isAnswered }) => !isAnswered).length).toBeGreaterThan(TORN_MIN);
  await kill(current);
}, 180_000);
