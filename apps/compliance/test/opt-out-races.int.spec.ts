import { eventually } from '@posthorn/testing/eventually.js';
import { House, type Tenant } from './harness.js';
import { type Race, Races, type Way } from './opt-out-races.fixture.js';

/** At least; more where a busy machine gives few permits. Under faults `npm run chaos` runs more. */
const [RACES, RACES_MAX] = [500, 1_500];
const AT_ONCE = 40;
/** So many permits must have been given, in races that compliance answered, for a run to say anything. */
const PERMITS_MIN = 150;
const RESTARTS_MIN = 5;
/** Races whose opt-out was in force with its commit. */
const AT_ONCE_MIN = 30;

type Service = Awaited<ReturnType<House['start']>>;

let house: House;
let races: Races;

beforeAll(async () => {
  house = await House.open('compliance opt-out races');
  const [acme] = house.tenants.tenants as [Tenant];
  races = new Races(acme, await house.intake({ poolMax: 4 }));
});
afterAll(() => house.close());

async function start(): Promise<Service> {
  const service = await house.start();
  await eventually(async () => expect((await races.ask(service, races.newPhone())).decision).toBe('allow'), {
    timeoutMs: 30_000,
  });
  return service;
}

/** Runs races, `AT_ONCE` at a time, until there are enough. */
async function run(isEnough: (done: readonly Race[]) => boolean, one: (index: number) => Promise<Race>) {
  const done: Race[] = [];
  let index = 0;
  const worker = async (): Promise<void> => {
    while (!isEnough(done)) done.push(await one(index++));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return done;
}

/** Permits of races whose acknowledgement came from compliance. */
const permitsOf = (done: readonly Race[]): number =>
  done.reduce((sum, { permits, isAnswered }) => sum + (isAnswered ? permits : 0), 0);

/** No send can begin after the acknowledgement, and the races were ones: permits were given, and not all. */
function judge(done: readonly Race[]): void {
  const late = done.filter(({ sendsUntilMs, acknowledgedAtMs }) =>
    sendsUntilMs.some((untilMs) => untilMs > acknowledgedAtMs),
  );
  expect(late.slice(0, 3)).toEqual([]); // a few of them say enough
  expect(done.filter(({ isDenied }) => !isDenied)).toEqual([]);
  expect(permitsOf(done)).toBeGreaterThan(PERMITS_MIN);
  expect(permitsOf(done)).toBeLessThan(done.length * 3);
  expect(done.filter(({ isAtOnce }) => isAtOnce).length).toBeGreaterThan(AT_ONCE_MIN);
}

test('I5 E1 races of permits against opt-outs on two instances: no send begins after an acknowledgement', async () => {
  const [askers, signals] = [await start(), await start()];
  // The shortest way is the sharpest test of the locks: nothing but them orders a permit and an opt-out there.
  const ways: Way[] = ['direct', 'store', 'intake', 'direct', 'store', 'intake', 'alone'];
  const done = await run(
    (all) => all.length >= RACES && (permitsOf(all) > PERMITS_MIN || all.length >= RACES_MAX),
    (index) =>
      races.race(
        () => askers,
        () => signals,
        ways[index % ways.length]!,
      ),
  );
  judge(done);
  const { rows } = await house.db.query('SELECT count(*)::int AS n FROM compliance.pending_signal');
  expect(rows[0]!['n']).toBeLessThanOrEqual(2 * AT_ONCE + done.length / ways.length);
  await eventually(
    async () => expect((await house.db.query('SELECT FROM compliance.pending_signal')).rowCount).toBe(0),
    { timeoutMs: 15_000 },
  );
  await Promise.all([askers.close(), signals.close()]);
}, 180_000);

test('I5 E1 the same while compliance is replaced again and again: one process permits, another acknowledges', async () => {
  let current = await start();
  let [isDone, restarts] = [false, 0];
  const restarting = (async () => {
    while (!isDone) {
      const old = current;
      current = await start();
      restarts += 1;
      await old.close(); // with permits of its own that are open
    }
  })().finally(() => (isDone = true));
  const late: Race[] = [];
  const isEnough = (): boolean => isDone || (restarts >= RESTARTS_MIN && permitsOf(late) > PERMITS_MIN);
  const all = await run(isEnough, async (index) => {
    const isLate = restarts > 0;
    const one = await races.race(
      () => current,
      () => current,
      index % 2 === 0 ? 'intake' : 'store',
    );
    // Those before the first restart say nothing about restarts.
    if (isLate) late.push(one);
    return one;
  });
  isDone = true;
  await restarting;
  expect(restarts).toBeGreaterThanOrEqual(RESTARTS_MIN);
  judge(all);
  judge(late);
  await current.close();
}, 180_000);
