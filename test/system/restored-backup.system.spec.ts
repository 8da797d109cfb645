import { execFile } from 'node:child_process';
import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Cast, createCast } from '../src/chaos/cast.js';
import { heal } from '../src/chaos/healing.js';
import { judge } from '../src/checker/checker.js';
import { EvidenceReader } from '../src/checker/evidence-reader.js';
import { AdminClient } from '../src/house/admin-client.js';
import { freePortOffset } from '../src/house/free-offset.js';
import { RunningPlatform } from '../src/house/running-platform.js';
import { History } from '../src/load/history.js';
import { OpenLoop } from '../src/load/open-loop.js';
import { Workload } from '../src/load/workload.js';
import { Sink } from '../src/sink/sink.js';
import { Random } from '../src/wire/random.js';
import { readKeyFile } from '../src/wire/sealed.js';
import { waitFor } from '../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 60_000 };
const DAY_MS = 86_400_000;
const TENANT = '/tenants/restored';
const [ERASED, STRANGER] = ['+4366412345001', '+4366412345002'];

const LOAD = { ratePerSecond: 100, durationMs: 2_000, duplicateShare: 0.2 };
const RETRY = { delayMs: 200, graceMs: 20_000 };

let [platform, portOffset, sink, cast] = [] as unknown as [RunningPlatform, number, Sink, Cast];
const history = new History();

beforeAll(async () => {
  sink = await Sink.start();
  portOffset = await freePortOffset();
  platform = await RunningPlatform.start({ portOffset });
}, START_MS);
afterAll(async () => {
  await platform?.stop();
  await sink?.stop();
  await platform?.removeData();
}, START_MS);

/** With its owner: Postgres takes no folder of somebody else. What vanishes meanwhile is in the WAL. */
const copy = (from: string, to: string) =>
  promisify(execFile)('cp', ['-a', from, to]).catch((error: unknown) => {
    if (!String(error).includes('No such file')) throw error;
  });

async function query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: platform.local.databaseUrl });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Copies a running server as `pg_basebackup` does: its files, then the label, then the WAL until the label's end. */
async function baseBackup(store: string, backup: string): Promise<void> {
  const client = new pg.Client({ connectionString: platform.local.databaseUrl });
  await client.connect();
  try {
    await client.query(`SELECT pg_backup_start('test', true)`);
    await copy(store, backup);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await rm(join(backup, 'pg_wal'), { recursive: true });
    await copy(join(store, 'pg_wal'), join(backup, 'pg_wal'));
    await rm(join(backup, 'postmaster.pid'), { force: true });
    const { uid, gid } = await stat(join(backup, 'PG_VERSION'));
    const files = {
      backup_label: rows[0]!.labelfile,
      // Nothing more is in any archive: the server ends its recovery there, on a timeline of its own.
      'recovery.signal': '',
      'postgresql.auto.conf': `restore_command = 'false'\n`,
    };
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(backup, name), text, { mode: 0o600 });
      await chown(join(backup, name), uid, gid);
    }
  } finally {
    await client.end();
  }
}

const load = (seed: number): Promise<unknown> => {
  const random = new Random(seed);
  const workload = new Workload(cast.sources, random);
  return new OpenLoop({ ...LOAD, retry: RETRY, next: () => workload.next(), history, random }).run();
};

/** What the sender's history, the sink and the database say together. */
async function verdict() {
  const { problem, db } = await heal(platform, cast);
  try {
    expect(problem).toBeUndefined();
    const reader = new EvidenceReader(db, readKeyFile(platform.local.kekFile), cast.tenants);
    return judge(await reader.read(history.requests, sink.receipts, cast.destinations));
  } finally {
    await db.end();
  }
}

/** The numbers of facts belong to it. */
const epoch = async (): Promise<string> =>
  (
    await query<{ epoch: string }>(
      `SELECT system_identifier || '-' || timeline_id AS epoch FROM pg_control_system(), pg_control_checkpoint()`,
    )
  )[0]!.epoch;

/** Epochs in which a service has read facts. */
const epochsOf = async (schema: string): Promise<string[]> =>
  (
    await query<{ fact_epoch: string }>(
      `SELECT DISTINCT fact_epoch FROM ${schema}.shard WHERE fact_sequence > 0`,
    )
  ).map(({ fact_epoch }) => fact_epoch);

/** Rows that say something of anybody of the tenant, by service. */
const rowsOfPeople = async (): Promise<Record<string, number>> =>
  (
    await query<Record<string, number>>(
      `SELECT (SELECT count(*)::int FROM events.content WHERE tenant_id = t.tenant_id) AS events,
              (SELECT count(*)::int FROM dispatch.command_content WHERE tenant_id = t.tenant_id) AS dispatcher,
              (SELECT count(*)::int FROM compliance.consent_proof WHERE tenant_id = t.tenant_id) AS compliance
       FROM tenants.tenant t WHERE slug = 'restored'`,
    )
  )[0]!;

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
  'I6 E6 backed up while it runs, erased, restored: nothing lost or doubled in a new life of the database, and still erased',
  async () => {
    // Would break: the backup would bring people back who were erased after it was made.
    const { key } = await platform.admin.openTenant('restored');
    const api = () => new AdminClient(platform.local.apiUrl, key);
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
    cast = await createCast({ platform, sink }, 'kept');
    await load(1);
    const before = await epoch();
    await baseBackup(store, backup);
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
    expect(await epoch()).not.toBe(before);
    await load(2);
    const { violations, acked } = await verdict();
    expect(violations).toEqual([]);
    expect(acked).toBeGreaterThan(LOAD.ratePerSecond);
    for (const schema of ['dispatch', 'compliance']) expect(await epochsOf(schema)).toEqual([await epoch()]);
  },
  2 * START_MS,
);
