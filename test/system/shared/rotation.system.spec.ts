import { randomBytes, randomInt } from 'node:crypto';
import { Client } from 'undici';
import { type AdminClient } from '../../src/house/admin-client.js';
import { descendantsOf } from '../../src/house/processes.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { History } from '../../src/load/history.js';
import { OpenLoop } from '../../src/load/open-loop.js';
import { type SourceTarget, Workload, type WorkloadMix } from '../../src/load/workload.js';
import { type Receipt, Sink } from '../../src/sink/sink.js';
import { Random } from '../../src/wire/random.js';
import { twilioSignature } from '../../src/wire/signatures.js';
import { pause, waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const TENANT = '/tenants/rotation-acme';
const RATE_PER_SECOND = 40;
/** How soon an answer comes is judged by the fault runs, alone. */
const PATIENCE_MS = 20_000;
const LOAD_MS = 6_000;
const BEFORE_MS = 1_000;
const SWITCH_MS_MAX = 3_000;
const REVOKE_LOAD_MS = 1_500;
const OVERLAP_SECONDS = 600;
/** New connections go around the processes of ingress, which are two. */
const CONNECTIONS = 8;
/** Uses of a secret are noted no finer. */
const USE_PRECISION_MS = 9_000;
const EVENTS_PER_WAVE = 10;
const LATE_REQUESTS = 50;
/** Every request is one event, whose message and state name it. */
const MIX: WorkloadMix = {
  ...{ inboundShare: 0, stopShare: 0, batchShare: 0, unrecognizedShare: 0, forgedShare: 0 },
  contacts: 50,
};

type Source = { -readonly [K in keyof SourceTarget]: SourceTarget[K] };
interface Secret {
  readonly id: string;
  readonly status: string;
  readonly lastMatchedAt: string | null;
}
interface EventView {
  readonly status: string;
  readonly providerMessageId: string;
  readonly secretId: string;
  readonly receivedAt: string;
}

let [platform, sink, api] = [] as unknown as [RunningPlatform, Sink, AdminClient];
let rotations: { standard: Promise<Rotation>; twilio: Promise<Rotation> };

beforeAll(async () => {
  sink = await Sink.start();
  platform = await sharedPlatform();
  // One would have nobody to share with, and all of this would pass.
  expect(descendantsOf(platform.local.pids['ingress']!)).toHaveLength(2);
  ({ api } = await platform.admin.openTenant('rotation-acme'));
  // Both at once, while the other tests run: each of them takes as long as uses of secrets take to be told.
  rotations = {
    standard: rotateUnderLoad(await api.createSource('rotation-acme', 'standard-webhooks')),
    twilio: rotateUnderLoad(
      await api.createSource('rotation-acme', 'twilio'),
      randomBytes(16).toString('hex'),
    ),
  };
  for (const rotation of Object.values(rotations)) rotation.catch(() => undefined);
}, START_MS);

afterAll(() => sink?.stop(), START_MS);

/** A provider that sends on a fixed schedule, and notes what it signed each event with. */
class Provider {
  readonly signedWith = new Map<string, string>();
  readonly source: Source;
  private readonly workload: Workload;

  constructor(
    source: SourceTarget,
    private readonly random: Random,
  ) {
    this.source = { ...source };
    this.workload = new Workload([this.source], random, MIX);
  }

  next = () => {
    const request = this.workload.next();
    const { messageId, state } = request.events[0]!;
    this.signedWith.set(`${messageId} ${state}`, this.source.secret);
    return request;
  };

  /** @returns how many were answered with which status. */
  async send(durationMs: number): Promise<Readonly<Record<number, number>>> {
    const { next, random } = this;
    const load = { ratePerSecond: RATE_PER_SECOND, durationMs, timeoutMs: PATIENCE_MS };
    return (await new OpenLoop({ ...load, next, random, history: new History() }).run()).statuses;
  }

  /** One request on a connection of its own. */
  async sendOnce(secret: string): Promise<number> {
    const { url } = this.source;
    const request = new Workload([{ ...this.source, secret }], this.random, MIX).next();
    const client = new Client(new URL(url).origin);
    try {
      const { statusCode, body } = await client.request({
        ...{ path: new URL(url).pathname, method: 'POST', body: request.body },
        headers: request.headers(Date.now()),
      });
      await body.dump();
      return statusCode;
    } finally {
      await client.close();
    }
  }

  sendOnEach(secret: string): Promise<number[]> {
    return Promise.all(Array.from({ length: CONNECTIONS }, () => this.sendOnce(secret)));
  }
}

/** What was seen of one rotation. */
interface Rotation {
  readonly seed: number;
  readonly statuses: Readonly<Record<number, number>>;
  /** Events by the secret that they name, and those that name another one than they were signed with. */
  readonly events: { readonly former: number; readonly next: number; readonly mistaken: number };
  readonly sent: number;
  /** Of the former secret by its last event, and of both by the list. Milliseconds. */
  readonly lastFormerMs: number;
  readonly firstNextMs: number;
  readonly told: readonly number[];
  readonly whileRevoked: Readonly<Record<number, number>>;
  readonly afterRevoked: { readonly former: readonly number[]; readonly next: readonly number[] };
}

/** @param given the new secret; made by the platform without one. */
async function rotateUnderLoad(source: SourceTarget, given?: string): Promise<Rotation> {
  const seed = randomInt(2 ** 31);
  const random = new Random(seed);
  const provider = new Provider(source, random);
  const path = `${TENANT}/sources/${source.sourceId}/secrets`;
  const load = provider.send(LOAD_MS);
  await pause(BEFORE_MS);
  const body = { overlapSeconds: OVERLAP_SECONDS, ...(given !== undefined && { secret: given }) };
  const rotated = await api.call<{ id: string; secret?: string }>('POST', path, body);
  await pause(random.between(0, SWITCH_MS_MAX));
  provider.source.secret = given ?? rotated.secret!;
  const statuses = await load;

  const former = (await secretsOf(path)).find(({ status }) => status === 'previous')!;
  const idOf = (secret: string | undefined) => (secret === source.secret ? former.id : rotated.id);
  const stored = await eventsOf(source.sourceId);
  const isMistaken = ({ providerMessageId, status, secretId }: EventView): boolean =>
    secretId !== idOf(provider.signedWith.get(`${providerMessageId} ${status}`));
  const of = (id: string): EventView[] => stored.filter(({ secretId }) => secretId === id);
  const lastFormerMs = Math.max(...of(former.id).map(({ receivedAt }) => Date.parse(receivedAt)));
  // Requests are under way while the sender switches: the first one with the new secret may come before the last one.
  const firstNextMs = Math.min(...of(rotated.id).map(({ receivedAt }) => Date.parse(receivedAt)));
  const told = await toldUses(path, [former.id, rotated.id], [lastFormerMs - USE_PRECISION_MS, firstNextMs]);

  const under = provider.send(REVOKE_LOAD_MS);
  await pause(REVOKE_LOAD_MS / 3);
  // 204 and not 202: everybody has confirmed it.
  expect(await api.call('DELETE', `${path}/${former.id}`)).toBeUndefined();
  const afterRevoked = {
    former: await provider.sendOnEach(source.secret),
    next: await provider.sendOnEach(provider.source.secret),
  };
  return {
    ...{ seed, statuses, sent: stored.length, lastFormerMs, firstNextMs, told, afterRevoked },
    events: {
      ...{ former: of(former.id).length, next: of(rotated.id).length },
      mistaken: stored.filter(isMistaken).length,
    },
    whileRevoked: await under,
  };
}

const secretsOf = async (path: string): Promise<Secret[]> =>
  (await api.call<{ data: Secret[] }>('GET', path)).data;

/** Waits until the list tells of a use of each secret at or after a time: each process tells of its uses in its own time. */
async function toldUses(path: string, ids: readonly string[], sinceMs: readonly number[]): Promise<number[]> {
  let told: number[] = [];
  const areTold = async (): Promise<true | undefined> => {
    const secrets = await secretsOf(path);
    told = ids.map((id) => Date.parse(secrets.find((secret) => secret.id === id)?.lastMatchedAt ?? ''));
    return told.every((atMs, index) => atMs >= sinceMs[index]!) ? true : undefined;
  };
  await waitFor('the uses of the secrets', areTold, { ...SEEN, pollMs: 250 }).catch(() => undefined);
  return told;
}

/** All events of a source, newest first. */
async function eventsOf(sourceId: string): Promise<EventView[]> {
  const all: EventView[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const at: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: { data: EventView[]; nextCursor: string | null } = await api.call(
      'GET',
      `${TENANT}/events?source=${sourceId}&limit=500${at}`,
    );
    all.push(...page.data);
    cursor = page.nextCursor;
  }
  return all;
}

function expectNoGap(rotation: Rotation, statuses: readonly [ok: number, refused: number]): void {
  const { seed, sent, events, lastFormerMs, firstNextMs } = rotation;
  const [ok, refused] = statuses;
  const total = (LOAD_MS / 1_000) * RATE_PER_SECOND;
  expect({ seed, statuses: rotation.statuses, sent }).toEqual({
    seed,
    statuses: { [ok]: total },
    sent: total,
  });
  expect({ seed, ...events }).toEqual({
    seed,
    former: expect.any(Number),
    next: total - events.former,
    mistaken: 0,
  });
  expect(Math.min(events.former, events.next)).toBeGreaterThan(0);
  const [former, next] = rotation.told as [number, number];
  expect(former).toBeGreaterThanOrEqual(lastFormerMs - USE_PRECISION_MS);
  // It stands still, while the sender goes on with the new one.
  expect(former).toBeLessThanOrEqual(lastFormerMs);
  expect(next).toBeGreaterThanOrEqual(firstNextMs);
  expect({ seed, statuses: Object.keys(rotation.whileRevoked) }).toEqual({ seed, statuses: [String(ok)] });
  expect(rotation.afterRevoked).toEqual({
    former: new Array(CONNECTIONS).fill(refused),
    next: new Array(CONNECTIONS).fill(ok),
  });
}

/** A form as Twilio posts a message from somebody. */
function inbound(url: string, token: string, fields: Record<string, string>): Promise<Response> {
  const headers = { 'x-twilio-signature': twilioSignature(token, url, fields) };
  return fetch(url, { method: 'POST', headers, body: new URLSearchParams(fields) });
}
const messageFields = (Body: string) => ({
  ...{ MessageSid: `SM${randomBytes(16).toString('hex')}`, Body },
  ...{ From: '+12025550177', To: '+15005550006' },
});

test('B7 a destination’s signing secret: both sign during the overlap, and once the former is revoked only the new one', async () => {
  const create = { name: 'crm', url: sink.url('crm'), eventTypes: ['message.received'] };
  const { id, signingSecret: former } = await api.call<{ id: string; signingSecret: string }>(
    'POST',
    `${TENANT}/destinations`,
    create,
  );
  const source = await api.createSource('rotation-acme', 'twilio');
  sink.configure('crm', { secrets: [former] });
  const wave = async (): Promise<string[]> => {
    const all = Array.from({ length: EVENTS_PER_WAVE }, () => messageFields('Hello'));
    for (const fields of all) expect((await inbound(source.url, source.secret, fields)).status).toBe(200);
    const isOfWave = ({ destination, providerMessageId }: Receipt): boolean =>
      destination === 'crm' && all.some(({ MessageSid }) => MessageSid === providerMessageId);
    const seen = await waitFor('the wave', () => receiptsWhen(isOfWave, EVENTS_PER_WAVE), SEEN);
    return [...new Set(seen.map(({ signedBy }) => signedBy.join()))];
  };
  expect(await wave()).toEqual(['true']);
  const path = `${TENANT}/destinations/${id}/secrets`;
  const { signingSecret: next } = await api.call<{ signingSecret: string }>('POST', path, {
    overlapSeconds: OVERLAP_SECONDS,
  });
  sink.configure('crm', { secrets: [former, next] });
  expect(await wave()).toEqual(['true,true']);
  const previous = (await secretsOf(path)).find(({ status }) => status === 'previous')!;
  expect(await api.call('DELETE', `${path}/${previous.id}`)).toBeUndefined();
  expect(await wave()).toEqual(['false,true']);
});

const receiptsWhen = (isOfThem: (receipt: Receipt) => boolean, count: number): Receipt[] | undefined => {
  const found = sink.receipts.filter(isOfThem);
  return found.length >= count ? found : undefined;
};

test(
  'A10 fifty requests refused under a wrong secret: once it is right, one call lets all of them in, in order, once',
  async () => {
    const token = randomBytes(16).toString('hex');
    const source = await api.call<{ id: string; url: string }>('POST', `${TENANT}/sources`, {
      ...{ name: 'late', provider: 'twilio', secret: 'not-the-auth-token' },
    });
    await api.createDestination({ slug: 'rotation-acme', uuid: '' }, sink, 'late', {
      ...{ ordering: 'key', eventTypes: ['message.received'] },
    });
    const all = Array.from({ length: LATE_REQUESTS }, (_, at) => messageFields(`Message ${at}`));
    for (const fields of all) {
      expect((await inbound(source.url, token, fields)).status).toBe(403);
      // The order of arrival is that of milliseconds.
      await pause(2);
    }
    const base = `${TENANT}/sources/${source.id}`;
    const refusals = async (): Promise<{ state: string; cause: string }[]> =>
      (
        await api.call<{ data: { state: string; cause: string }[] }>(
          'GET',
          `${TENANT}/refusals?source=${source.id}&limit=100`,
        )
      ).data;
    const areKept = async () => ((await refusals()).length === LATE_REQUESTS ? true : undefined);
    await waitFor('the refusals', areKept, SEEN);
    expect(
      (await refusals()).every(({ cause, state }) => cause === 'signature.mismatch' && state === 'kept'),
    ).toBe(true);
    expect(await eventsOf(source.id)).toEqual([]);

    await api.call('POST', `${base}/secrets`, { secret: token, overlapSeconds: 0 });
    const fixedAt = new Date().toISOString();
    const reverify = () => api.call<{ requests: number }>('POST', `${base}/refusals/reverify`);
    expect(await reverify()).toEqual({ requests: LATE_REQUESTS });
    // Impatient people call twice.
    await reverify();
    const isOfSource = ({ destination, providerMessageId }: Receipt): boolean =>
      destination === 'late' && all.some(({ MessageSid }) => MessageSid === providerMessageId);
    await waitFor('the deliveries', () => receiptsWhen(isOfSource, LATE_REQUESTS), SEEN);
    const areAdmitted = async () =>
      (await refusals()).every(({ state }) => state === 'admitted') ? true : undefined;
    await waitFor('the end of it', areAdmitted, SEEN);
    expect(await reverify()).toEqual({ requests: 0 });

    // Twilio sends one of them again, and a new one, which the destination gets after all of that contact.
    const [again, marker] = [all[7]!, messageFields('At last')];
    for (const fields of [again, marker]) expect((await inbound(source.url, token, fields)).status).toBe(200);
    const isMarker = ({ destination, providerMessageId }: Receipt): boolean =>
      destination === 'late' && providerMessageId === marker.MessageSid;
    await waitFor('the last delivery', () => receiptsWhen(isMarker, 1), SEEN);
    const sids = [...all, marker].map(({ MessageSid }) => MessageSid);
    const stored = (await eventsOf(source.id)).reverse();
    expect(stored.map(({ providerMessageId }) => providerMessageId)).toEqual(sids);
    expect(stored.slice(0, LATE_REQUESTS).every(({ receivedAt }) => receivedAt < fixedAt)).toBe(true);
    const received = sink.receipts.filter((receipt) => isOfSource(receipt) || isMarker(receipt));
    expect(received.map(({ providerMessageId }) => providerMessageId)).toEqual(sids);
  },
  START_MS,
);

test(
  'B7 B1 a secret is rotated under load while the sender switches at some moment: nothing is refused, each event names its secret, and the former one ends when it is revoked',
  async () => {
    expectNoGap(await rotations.standard, [204, 403]);
  },
  START_MS,
);

test(
  'B7 B1 Twilio’s promotion of the secondary token, added here before: the same',
  async () => {
    expectNoGap(await rotations.twilio, [204, 403]);
  },
  START_MS,
);
