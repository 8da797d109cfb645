import { request } from 'undici';
import { connect } from '../chaos/healing.js';
import { killHard } from '../house/processes.js';
import { pause } from '../wire/time.js';
import { type Incident, type Scene, type Stage } from './incident.js';
import { makeVictim, Repeating, Traffic, type Victim } from './traffic.js';

const RATE = 50;
/** How often a server that comes back is ended again, while it is to be away. */
const KILL_POLL_MS = 100;
const REFUSING = { kind: 'fail', status: 500 } as const;
/** Far below what the flood brings. */
const SMALL_QUOTA = { ratePerSecond: 20, burst: 20 };
const FLOOD_PER_SECOND = 200;
const KNOCKS_PER_SECOND = 40;

/** A server of the platform is away, however often it is started again, while traffic goes on. */
const withoutServer =
  (server: 'postgres' | 'nats', name: string) =>
  async (stage: Stage, run: string): Promise<Scene> => {
    const victim = await makeVictim(stage, `${run}-${name}`, ['twilio', 'standard-webhooks']);
    const traffic = new Traffic(stage, victim, RATE);
    let isAway = true;
    let killing: Promise<void> | undefined;
    const keepAway = async (): Promise<void> => {
      while (isAway) {
        killHard(stage.platform.local.pids[server]);
        await pause(KILL_POLL_MS);
      }
    };
    return {
      environment: { TENANT: victim.tenant.slug },
      begin: () => {
        traffic.start();
        killing = keepAway();
        return Promise.resolve();
      },
      end: async () => {
        isAway = false;
        await killing;
        await traffic.stop();
      },
      tally: () => traffic.tally(),
    };
  };

async function destinationOutage(stage: Stage, run: string): Promise<Scene> {
  const { admin } = stage.platform;
  const victim = await makeVictim(stage, `${run}-destination`, ['twilio', 'standard-webhooks']);
  const DESTINATION = await destinationIdOf(stage, victim);
  const path = `/tenants/${victim.tenant.slug}/destinations/${DESTINATION}`;
  await admin.call('PATCH', path, { retry: { maxAttempts: 3, maxAgeSeconds: 3_600 } });
  const traffic = new Traffic(stage, victim, RATE);
  return {
    environment: { TENANT: victim.tenant.slug, DESTINATION },
    begin: () => {
      stage.sink.configure(victim.destination.name, { behaviour: REFUSING });
      traffic.start();
      return Promise.resolve();
    },
    end: async () => {
      await traffic.stop();
      stage.sink.configure(victim.destination.name, { behaviour: { kind: 'ok' } });
    },
    tally: () => traffic.tally(),
  };
}

async function noisyTenant(stage: Stage, run: string): Promise<Scene> {
  const victim = await makeVictim(stage, `${run}-noisy`, ['standard-webhooks']);
  const neighbour = await makeVictim(stage, `${run}-quiet`, ['standard-webhooks']);
  const { slug } = victim.tenant;
  await stage.platform.admin.call('PATCH', `/tenants/${slug}`, { intakeQuota: SMALL_QUOTA });
  const flood = new Traffic(stage, victim, FLOOD_PER_SECOND);
  const quiet = new Traffic(stage, neighbour, RATE);
  return {
    environment: { TENANT: slug },
    begin: () => {
      flood.start();
      quiet.start();
      return Promise.resolve();
    },
    end: () => Promise.all([flood.stopSending(), quiet.stopSending()]).then(() => undefined),
    tally: async () => {
      await Promise.all([flood.stop(), quiet.stop()]);
      const refused = quiet.history.requests.filter(({ attempts }) =>
        attempts.some(({ status }) => status === 429),
      );
      const [noisy, other] = [await flood.tally(), await quiet.tally()];
      return {
        lost: noisy.lost + other.lost,
        doubled: noisy.doubled + other.doubled,
        problems: [
          ...noisy.problems,
          ...other.problems,
          ...(refused.length === 0 ? [] : [`${refused.length} requests of another tenant were refused`]),
        ],
      };
    },
  };
}

/** Somebody with the rights of the database's owner changes an entry of an audit log that no checkpoint covers yet. */
async function suspectedDataLoss(stage: Stage, run: string): Promise<Scene> {
  const victim = await makeVictim(stage, `${run}-loss`, ['twilio']);
  const { slug, uuid } = victim.tenant;
  const traffic = new Traffic(stage, victim, RATE);
  const rename = async (from: string, to: string): Promise<void> => {
    const db = await connect(stage.platform);
    // The table lets nobody change a row; who owns the database can switch that off.
    await db.query('SET session_replication_role = replica');
    const { rowCount } = await db.query(
      `UPDATE tenants.audit SET action = $3 WHERE tenant_id = $1 AND action = $2
         AND number = (SELECT max(number) FROM tenants.audit WHERE tenant_id = $1 AND action = $2)`,
      [uuid, from, to],
    );
    await db.end();
    if (rowCount !== 1) throw new Error(`${rowCount} entries of the audit log were changed`);
  };
  return {
    environment: { TENANT: slug },
    begin: async () => {
      traffic.start();
      await stage.platform.admin.call('PATCH', `/tenants/${slug}`, { name: 'renamed' });
      await rename('tenant.updated', 'tenant.deleted');
    },
    end: async () => {
      await traffic.stop();
      await rename('tenant.deleted', 'tenant.updated');
    },
    tally: () => traffic.tally(),
  };
}

/** A tenant's key that may only read events is tried on everything. */
async function keyCompromise(stage: Stage, run: string): Promise<Scene> {
  const { admin, local } = stage.platform;
  const victim = await makeVictim(stage, `${run}-key`, ['twilio']);
  const path = `/tenants/${victim.tenant.slug}`;
  const key = await admin.call<{ id: string; secret: string }>('POST', `${path}/api-keys`, {
    ...{ name: 'left in a repository', scopes: ['events:read'] },
  });
  const traffic = new Traffic(stage, victim, RATE);
  const statuses = new Map<number, number>();
  const knocks = new Repeating(KNOCKS_PER_SECOND, async () => {
    const headers = { authorization: `Bearer ${key.secret}` };
    const { statusCode, body } = await request(`${local.apiUrl}/v1${path}/api-keys`, { headers });
    await body.dump();
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
  });
  return {
    environment: { TENANT: victim.tenant.slug, API_KEY_ID: key.id },
    begin: () => {
      traffic.start();
      knocks.start();
      return Promise.resolve();
    },
    end: async () => {
      await knocks.stop();
      await traffic.stop();
    },
    tally: async () => {
      const tally = await traffic.tally();
      const other = [...statuses.keys()].filter((status) => ![401, 403].includes(status));
      const problems = other.map((status) => `the key that was taken away was answered ${status}`);
      if (!statuses.has(401)) problems.push('the key was never refused as one that is gone');
      return { ...tally, problems: [...tally.problems, ...problems] };
    },
  };
}

async function destinationIdOf({ platform: { admin } }: Stage, { tenant }: Victim): Promise<string> {
  const path = `/tenants/${tenant.slug}/destinations`;
  const { data } = await admin.call<{ data: { id: string }[] }>('GET', path);
  return data[0]!.id;
}

/** The others: each needs the platform to itself. */
export const OTHERS: readonly Incident[] = [
  {
    ...{ name: 'database-failover', alert: 'PosthornDatabaseUnavailable' },
    setUp: withoutServer('postgres', 'database'),
  },
  { name: 'broker-loss', alert: 'PosthornBrokerUnavailable', setUp: withoutServer('nats', 'broker') },
  { name: 'destination-outage', alert: 'PosthornDestinationOutage', setUp: destinationOutage },
  { name: 'noisy-tenant', alert: 'PosthornNoisyTenant', setUp: noisyTenant },
  { name: 'suspected-data-loss', alert: 'PosthornDataLossSuspected', setUp: suspectedDataLoss },
  { name: 'key-compromise', alert: 'PosthornKeyCompromise', setUp: keyCompromise },
];
