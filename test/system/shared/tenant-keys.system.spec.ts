import { randomInt } from 'node:crypto';
import pg from 'pg';
import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { History } from '../../src/load/history.js';
import { OpenLoop } from '../../src/load/open-loop.js';
import { type SourceTarget, Workload, type WorkloadMix } from '../../src/load/workload.js';
import { Random } from '../../src/wire/random.js';
import { pause, waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const TENANT = '/tenants/keys-acme';
const RATE_PER_SECOND = 40;
const LOAD_MS = 6_000;
const TOTAL = (LOAD_MS / 1_000) * RATE_PER_SECOND;
const RENEWALS = 3;
const READERS = 4;
const MIX: WorkloadMix = {
  ...{ inboundShare: 0, stopShare: 0, batchShare: 0, unrecognizedShare: 0, forgedShare: 0 },
  contacts: 50,
};

interface Renewed {
  readonly dataKeys: readonly { readonly id: string; readonly generation: number }[];
  readonly pending?: readonly string[];
}
interface Payload {
  readonly bodyBase64: string;
}

let [platform, api, source, db] = [] as unknown as [RunningPlatform, AdminClient, SourceTarget, pg.Client];

beforeAll(async () => {
  platform = await sharedPlatform();
  ({ api } = await platform.admin.openTenant('keys-acme'));
  source = await api.createSource('keys-acme', 'standard-webhooks');
  db = new pg.Client({ connectionString: platform.local.databaseUrl });
  await db.connect();
}, START_MS);

afterAll(() => db?.end(), START_MS);

/** Of which requests each data key has sealed how many. */
async function sealedBy(): Promise<number[]> {
  const { rows } = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM events.raw r JOIN tenants.tenant t USING (tenant_id) WHERE t.slug = 'keys-acme'
     GROUP BY data_key_id`,
  );
  return rows.map(({ count }) => count);
}

async function eventIds(): Promise<string[]> {
  const path = `${TENANT}/events?source=${source.sourceId}&limit=500`;
  return (await api.call<{ data: { id: string }[] }>('GET', path)).data.map(({ id }) => id);
}

/** The bodies of all events, as they can be read now. */
async function bodiesOf(ids: readonly string[]): Promise<Set<string>> {
  const bodies = new Set<string>();
  const left = [...ids];
  const read = async (): Promise<void> => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      const { bodyBase64 } = await api.call<Payload>('GET', `${TENANT}/events/${id}/payload`);
      bodies.add(bodyBase64);
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  return bodies;
}

test('B7 a tenant’s keys are renewed under load: no request is refused, and every payload can be read afterwards', async () => {
  const seed = randomInt(2 ** 31);
  const random = new Random(seed);
  const workload = new Workload([source], random, MIX);
  const sent = new Set<string>();
  const next = () => {
    const request = workload.next();
    sent.add(Buffer.from(request.body).toString('base64'));
    return request;
  };
  const options = { ratePerSecond: RATE_PER_SECOND, durationMs: LOAD_MS, next, random };
  const load = new OpenLoop({ ...options, history: new History() }).run();
  for (let n = 1; n <= RENEWALS; n += 1) {
    await pause(LOAD_MS / (RENEWALS + 1));
    const renewed = await api.call<Renewed>('POST', `${TENANT}/keys/rotate`, {});
    expect([renewed.dataKeys.map(({ generation }) => generation), renewed.pending]).toEqual([
      [n, n],
      undefined,
    ]);
  }
  expect({ seed, statuses: (await load).statuses }).toEqual({ seed, statuses: { 204: TOTAL } });
  const ids = await waitFor(
    'all events are there',
    async () => {
      const found = await eventIds();
      return found.length === TOTAL ? found : undefined;
    },
    SEEN,
  );
  const counts = await sealedBy();
  expect(counts).toHaveLength(RENEWALS + 1);
  expect(counts.reduce((sum, count) => sum + count)).toBe(TOTAL);
  expect(await bodiesOf(ids)).toEqual(sent);
}, 120_000);
