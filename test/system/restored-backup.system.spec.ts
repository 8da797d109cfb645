import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { AdminClient } from '../src/house/admin-client.js';
import { freePortOffset } from '../src/house/free-offset.js';
import { RunningPlatform } from '../src/house/running-platform.js';
import { waitFor } from '../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 60_000 };
const DAY_MS = 86_400_000;
const TENANT = '/tenants/restored';
const [ERASED, STRANGER] = ['+4366412345001', '+4366412345002'];

let [platform, portOffset] = [] as unknown as [RunningPlatform, number];

beforeAll(async () => {
  portOffset = await freePortOffset();
  platform = await RunningPlatform.start({ portOffset });
}, START_MS);
afterAll(async () => {
  await platform?.stop();
  await platform?.removeData();
}, START_MS);

/** With its owner: Postgres takes no folder of somebody else. */
const copy = (from: string, to: string) => promisify(execFile)('cp', ['-a', from, to]);

/** Rows that say something of anybody, by service. */
async function rowsOfPeople(): Promise<Record<string, number>> {
  const client = new pg.Client({ connectionString: platform.local.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, number>>(
      `SELECT (SELECT count(*)::int FROM events.content) AS events,
              (SELECT count(*)::int FROM dispatch.command_content) AS dispatcher,
              (SELECT count(*)::int FROM compliance.consent_proof) AS compliance`,
    );
    return rows[0]!;
  } finally {
    await client.end();
  }
}

const untilRows = async (expected: Record<string, number>): Promise<void> => {
  let last: Record<string, number> = {};
  const isSo = async (): Promise<true | undefined> => {
    last = await rowsOfPeople();
    return JSON.stringify(last) === JSON.stringify(expected) ? true : undefined;
  };
  await waitFor('what is said of people', isSo, SEEN).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(last)}`);
  });
};

/** A message that waits, and a consent with its proof. */
async function know(api: AdminClient, sourceId: string, address: string): Promise<void> {
  await api.call('POST', `${TENANT}/messages`, {
    ...{ sourceId, to: address, channel: 'sms', category: 'transactional', content: { text: 'Hello' } },
    notBefore: new Date(Date.now() + DAY_MS).toISOString(),
  });
  await api.call('POST', `${TENANT}/consents`, {
    ...{ address, channel: 'sms', status: 'opted_in' },
    proof: { method: 'web_form', wording: 'Send me offers.', url: 'https://shop.example/offers' },
  });
}

test(
  'E6 backed up, erased, restored, started: still erased in events, dispatcher and compliance',
  async () => {
    // Would break: the backup would bring people back who were erased after it was made.
    const { apiKey } = await platform.admin.call<{ apiKey: { secret: string } }>('POST', '/tenants', {
      ...{ slug: 'restored', name: 'Restored', country: 'AT', timeZone: 'Europe/Vienna' },
    });
    const api = () => new AdminClient(platform.local.apiUrl, apiKey.secret);
    const source = await api().call<{ id: string }>('POST', `${TENANT}/sources`, {
      ...{ name: 'Twilio', provider: 'twilio', secret: 'a'.repeat(32) },
      settings: { accountSid: `AC${'1'.repeat(32)}`, from: '+15005550006' },
    });
    const credentials = { accountSid: `AC${'1'.repeat(32)}`, authToken: 'a'.repeat(32) };
    await api().call('PUT', `${TENANT}/sources/${source.id}/credentials`, credentials);
    for (const address of [ERASED, STRANGER]) await know(api(), source.id, address!);
    await untilRows({ events: 2, dispatcher: 2, compliance: 2 });

    const { dataDir } = platform;
    const [store, backup] = [join(dataDir, 'postgres'), join(dataDir, 'backup')];
    await platform.stop();
    await copy(store, backup);
    platform = await RunningPlatform.start({ portOffset, dataDir });
    const { id } = await api().call<{ id: string }>('POST', `${TENANT}/people/lookup`, { address: ERASED });
    await api().call('POST', `${TENANT}/people/${id}/erase`, {});
    await untilRows({ events: 1, dispatcher: 1, compliance: 1 });

    await platform.stop();
    await rm(store, { recursive: true });
    await copy(backup, store);
    // A restored house begins with an empty broker.
    await rm(join(dataDir, 'nats'), { recursive: true });
    platform = await RunningPlatform.start({ portOffset, dataDir });
    await untilRows({ events: 1, dispatcher: 1, compliance: 1 });
    await platform.untilReady(SEEN.timeoutMs);
  },
  2 * START_MS,
);
