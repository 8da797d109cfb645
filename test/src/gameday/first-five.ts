import { heal } from '../chaos/healing.js';
import { EvidenceReader } from '../checker/evidence-reader.js';
import { grouped } from '../checker/evidence.js';
import { FakeTwilio } from '../fakes/twilio.js';
import { outcomeOf } from '../load/history.js';
import { contactAt, dayPlace } from '../races/contacts.js';
import { monotonicMs } from '../wire/time.js';
import { type Incident, type Scene, type Stage, type Tally } from './incident.js';
import { makeVictim, Repeating, Traffic, type Victim } from './traffic.js';

const OURS = '+15005550006';
const RATE = 20;
const SENDS_PER_SECOND = 5;
/** Each second; of what the victim sends in the same time. */
const REPEATS_PER_SECOND = 200;
const SLOW_MS = 400;
const NEW_SECRET = 'b'.repeat(32);
/** Somebody meant `data`. */
const WRONG_SETTINGS = { jsonSchema: { type: 'object', required: ['date'] } };
const RIGHT_SETTINGS = { jsonSchema: { type: 'object', required: ['data'] } };

/** Nobody answers where a provider's API was. */
async function providerOutage({ platform: { admin } }: Stage, run: string): Promise<Scene> {
  const fake = await new FakeTwilio().start();
  const { slug } = await admin.createTenant(`${run}-provider`);
  const { accountSid, authToken, url: apiBaseUrl } = fake;
  const { id: sourceId } = await admin.call<{ id: string }>('POST', `/tenants/${slug}/sources`, {
    ...{ name: 'Twilio', provider: 'twilio', secret: authToken },
    settings: { accountSid, apiBaseUrl, from: OURS },
  });
  await admin.call('PUT', `/tenants/${slug}/sources/${sourceId}/credentials`, { accountSid, authToken });
  const texts: string[] = [];
  const sends = new Repeating(SENDS_PER_SECOND, async () => {
    const text = `${run} ${texts.length}`;
    texts.push(text);
    const to = contactAt(dayPlace(Date.now()), 200_000 + texts.length);
    const message = { sourceId, to, channel: 'sms', category: 'transactional', content: { text } };
    await admin.call('POST', `/tenants/${slug}/messages`, message);
  });
  return {
    environment: { TENANT: slug, SOURCE: sourceId },
    begin: async () => {
      await fake.stop();
      sends.start();
    },
    end: async () => {
      await sends.stop();
      await fake.start(Number(new URL(apiBaseUrl).port));
    },
    tally: async () => {
      const taken = grouped(fake.accepted, ({ text }) => text);
      await fake.stop();
      return {
        lost: texts.filter((text) => !taken.has(text)).length,
        doubled: [...taken.values()].filter(({ length }) => length > 1).length,
        problems: texts.length === 0 ? ['nothing was sent'] : [],
      };
    },
  };
}

/** A provider sends everything again and again. */
async function duplicateStorm(stage: Stage, run: string): Promise<Scene> {
  const victim = await makeVictim(stage, `${run}-storm`, ['standard-webhooks']);
  const traffic = new Traffic(stage, victim, RATE);
  let at = 0;
  const storm = new Repeating(REPEATS_PER_SECOND, async () => {
    const request = traffic.sent[at++ % Math.max(1, traffic.sent.length)];
    if (request === undefined) return;
    const answer = await fetch(request.url, {
      ...{ method: 'POST', headers: request.headers(Date.now()), body: new Uint8Array(request.body) },
    });
    await answer.arrayBuffer();
  });
  return {
    environment: { TENANT: victim.tenant.slug, SOURCE: victim.sources[0]!.sourceId },
    begin: () => {
      traffic.start();
      storm.start();
      return Promise.resolve();
    },
    end: async () => {
      await storm.stop();
      await traffic.stop();
    },
    tally: () => traffic.tally(),
  };
}

/** A destination that takes one at a time, and its time. */
async function queueBacklog(stage: Stage, run: string): Promise<Scene> {
  const victim = await makeVictim(stage, `${run}-backlog`, ['twilio'], { maxInFlight: 1 });
  const behaviour = { kind: 'slow', delayMs: SLOW_MS } as const;
  stage.sink.configure(victim.destination.name, { behaviour });
  const traffic = new Traffic(stage, victim, RATE);
  const { data } = await stage.platform.admin.call<{ data: { id: string }[] }>(
    'GET',
    `/tenants/${victim.tenant.slug}/destinations`,
  );
  return {
    environment: { TENANT: victim.tenant.slug, DESTINATION: data[0]!.id },
    begin: () => Promise.resolve(traffic.start()),
    end: () => traffic.stop(),
    tally: () => traffic.tally(),
  };
}

/** A schema of the source's own sets aside all that is good. */
async function schemaDrift(stage: Stage, run: string): Promise<Scene> {
  const victim = await makeVictim(stage, `${run}-drift`, ['standard-webhooks']);
  const [TENANT, SOURCE] = [victim.tenant.slug, victim.sources[0]!.sourceId];
  await stage.platform.admin.call('PATCH', `/tenants/${TENANT}/sources/${SOURCE}`, {
    settings: WRONG_SETTINGS,
  });
  const traffic = new Traffic(stage, victim, RATE, { batchShare: 0 });
  return {
    environment: { TENANT, SOURCE, SETTINGS: JSON.stringify(RIGHT_SETTINGS) },
    begin: () => Promise.resolve(traffic.start()),
    end: () => traffic.stop(),
    tally: () => countUnderstood(stage, victim, traffic),
  };
}

/** Each event that was sent is in the log once as what it is, beside what it was taken for at first. */
async function countUnderstood(stage: Stage, victim: Victim, traffic: Traffic): Promise<Tally> {
  const { tenant, destination, sources } = victim;
  const cast = { tenants: [tenant], destinations: [destination], sources: [...sources] };
  const { problem, db } = await heal(stage.platform, cast);
  try {
    const reader = new EvidenceReader(db, new Map(), [tenant]);
    const found = grouped(
      await reader.events(),
      ({ providerMessageId, type }) => `${providerMessageId} ${type}`,
    );
    const acked = traffic.history.requests.filter((request) => outcomeOf(request) === 'acked');
    const sent = acked
      .flatMap(({ events }) => events)
      .map((event) => `${event.messageId} message.${event.state}`);
    const problems = problem === undefined ? [] : [problem];
    if (sent.length === 0) problems.push('nothing was acknowledged: nothing was tried');
    return {
      lost: sent.filter((key) => !found.has(key)).length,
      doubled: sent.filter((key) => (found.get(key)?.length ?? 0) > 1).length,
      problems,
    };
  } finally {
    await db.end();
  }
}

/** The provider signs with a secret that was never told to us. */
async function secretRotationError(stage: Stage, run: string): Promise<Scene> {
  const known = await makeVictim(stage, `${run}-secret`, ['twilio']);
  const victim = { ...known, sources: known.sources.map((source) => ({ ...source, secret: NEW_SECRET })) };
  const traffic = new Traffic(stage, victim, RATE);
  return {
    environment: { TENANT: victim.tenant.slug, SOURCE: victim.sources[0]!.sourceId, NEW_SECRET },
    begin: () => Promise.resolve(traffic.start()),
    end: () => traffic.stop(),
    tally: () => {
      // Judged again and admitted, it is as if it had been acknowledged at its time: from here on it must be there.
      const nowMs = monotonicMs();
      for (const request of traffic.history.requests)
        if (outcomeOf(request) === 'refused')
          request.attempts.push({ intendedMs: nowMs, sentMs: nowMs, answeredMs: nowMs, status: 200 });
      return traffic.tally();
    },
  };
}

/** The five whose runbooks every release rehearses. */
export const FIRST_FIVE: readonly Incident[] = [
  {
    ...{ name: 'provider-outage', alert: 'PosthornProviderOutage', labels: { provider: 'twilio' } },
    setUp: providerOutage,
  },
  {
    ...{
      name: 'duplicate-storm',
      alert: 'PosthornDuplicateStorm',
      labels: { provider: 'standard-webhooks' },
    },
    setUp: duplicateStorm,
  },
  {
    name: 'queue-backlog',
    alert: 'PosthornQueueBacklog',
    labels: { stage: 'deliveries' },
    setUp: queueBacklog,
  },
  {
    ...{ name: 'schema-drift', alert: 'PosthornSchemaDrift', labels: { provider: 'standard-webhooks' } },
    setUp: schemaDrift,
  },
  {
    ...{ name: 'secret-rotation-error', alert: 'PosthornSignatureRefusals', labels: { provider: 'twilio' } },
    setUp: secretRotationError,
  },
];
