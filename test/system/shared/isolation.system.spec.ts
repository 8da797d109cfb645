import { randomBytes, randomUUID } from 'node:crypto';
import { FakeTwilio } from '../../src/fakes/twilio.js';
import { type OpenTenant } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { Sink } from '../../src/sink/sink.js';
import { idOf } from '../../src/wire/ids.js';
import { twilioSignature } from '../../src/wire/signatures.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const [CONTACT, OURS] = ['+12025550181', '+15005550006'];
const WORDS = 'please stop texting me';
/** What stands in the owner's things, besides their IDs. */
const MARKS = ['owners-', CONTACT.slice(1), WORDS, 'Owner & Sons'];

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly required?: boolean };
}
interface Answer {
  readonly status: number;
  readonly text: string;
}

let [platform, sink, fake, owner, stranger] = [] as unknown as [
  RunningPlatform,
  Sink,
  FakeTwilio,
  OpenTenant,
  OpenTenant,
];
let operations: Operation[];
/** IDs of the owner's things, by the part of a path, or the name of a parameter, that they stand for. */
let owned: Readonly<Record<string, string>>;
/** What the owner has, as the owner sees it. */
let before: Readonly<Record<string, string>>;

beforeAll(async () => {
  [sink, fake] = [await Sink.start(), await new FakeTwilio().start()];
  platform = await sharedPlatform();
  owner = await platform.admin.openTenant('owners-own', { name: 'Owner & Sons' });
  stranger = await platform.admin.openTenant('stranger', { name: 'Stranger' });
  const { paths } = (await (await fetch(`${platform.local.apiUrl}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, object>>;
  };
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, rest]) => ({ ...rest, method: method.toUpperCase(), path })),
  );
  owned = await furnish();
  before = await things();
}, START_MS);

afterAll(() => Promise.all([sink?.stop(), fake?.stop()]), START_MS);

/** Gives the owner one of everything, made by all six services. */
async function furnish(): Promise<Record<string, string>> {
  const T = `/tenants/${owner.slug}`;
  const make = <A extends object = { id: string }>(path: string, body: object): Promise<A & { id: string }> =>
    owner.api.call('POST', T + path, body);
  const { accountSid, authToken } = fake;
  const source = await make<{ url: string }>('/sources', {
    ...{ name: 'owners-twilio', provider: 'twilio', secret: authToken },
    settings: { accountSid, apiBaseUrl: fake.url, from: OURS },
  });
  await owner.api.call('PUT', `${T}/sources/${source.id}/credentials`, { accountSid, authToken });
  const destination = await owner.api.createDestination({ slug: owner.slug, uuid: '' }, sink, 'owners-crm');
  const rule = await make('/rules', {
    ...{ name: 'owners-rule', when: { types: ['message.received'], expression: "event.channel == 'sms'" } },
    ...{ then: { action: 'tag', tag: 'owners-tag', target: 'message' }, enabled: true },
  });
  const key = await make('/api-keys', { name: 'owners-reader', scopes: ['events:read'] });
  const suppression = await make('/suppressions', { address: '+12025550182', channel: 'sms' });
  const erased = await make('/people/lookup', { address: '+12025550183' });
  const { receipt } = await make<{ receipt: { id: string } }>(`/people/${erased.id}/erase`, {});
  const command = await make('/messages', {
    ...{ sourceId: source.id, to: CONTACT, channel: 'sms', category: 'transactional' },
    content: { text: 'owners-words' },
  });
  const first = <A>(path: string, isIt: (item: A) => boolean = () => true): Promise<A> =>
    waitFor(path, async () => (await owner.api.call<{ data: A[] }>('GET', T + path)).data.find(isIt), SEEN);
  // Before the contact has enough of it.
  await first<{ id: string; state: string }>(
    '/messages',
    ({ id, state }) => id === command.id && state === 'sent',
  );
  await receive(source.url, authToken, WORDS);
  // Refused, and not understood.
  await receive(source.url, 'wrong', WORDS);
  const event = await first<{ id: string; messageId: string; conversationId: string }>(
    '/events?state=projected&type=message.received',
  );
  const delivery = await first<{ id: string; state: string }>(
    `/deliveries?eventId=${event.id}`,
    ({ state }) => state === 'succeeded',
  );
  const review = await first<{ eventId: string }>('/reviews');
  await first('/refusals');
  await first<{ firedCount: number }>('/rules', ({ firedCount }) => firedCount === 1);
  const person = await make('/people/lookup', { address: CONTACT });
  const secret = await first<{ id: string }>(`/sources/${source.id}/secrets`);
  const destinationId = idOf('dst', destination.uuid);
  const signing = await first<{ id: string }>(`/destinations/${destinationId}/secrets`);
  return {
    ...{ sources: source.id, destinations: destinationId, 'api-keys': key.id, events: event.id },
    ...{ messages: command.id, conversations: event.conversationId, deliveries: delivery.id, rules: rule.id },
    ...{ people: person.id, suppressions: suppression.id, reviews: review.eventId, erasures: receipt.id },
    ...{ 'sources/secretId': secret.id, 'destinations/secretId': signing.id },
    ...{ source: source.id, sourceId: source.id, destinationId, eventId: event.id, personId: person.id },
    ...{ triggerEventId: event.id, messageId: command.id, conversationId: event.conversationId },
  };
}

async function receive(url: string, token: string, Body: string): Promise<void> {
  const MessageSid = `SM${randomBytes(16).toString('hex')}`;
  const fields = { MessageSid, Body, From: CONTACT, To: OURS, AccountSid: fake.accountSid };
  const headers = { 'x-twilio-signature': twilioSignature(token, url, fields) };
  await fetch(url, { method: 'POST', headers, body: new URLSearchParams(fields) });
}

/** Bodies that are valid in themselves, where an operation needs one; `id` is somebody else's. */
const BODIES: Readonly<Record<string, (id: string) => object>> = {
  'PATCH /sources/{id}': () => ({ name: 'taken' }),
  'POST /sources/{id}/secrets': () => ({ overlapSeconds: 0 }),
  'PUT /sources/{id}/credentials': () => ({ accountSid: 'AC1', authToken: 'taken' }),
  'POST /sources/{id}/pause': () => ({ reason: 'taken' }),
  'POST /sources/{id}/resume': () => ({ reason: 'taken' }),
  'PATCH /destinations/{id}': () => ({ name: 'taken' }),
  'POST /destinations/{id}/secrets': () => ({ overlapSeconds: 0 }),
  'POST /messages/{id}/resolve': () => ({ outcome: 'sent', reason: 'taken' }),
  'POST /conversations/{id}/handoff': () => ({ reason: 'user_request' }),
  'POST /conversations/{id}/claim': () => ({ offerTimeoutSeconds: 30 }),
  'POST /conversations/{id}/accept': () => ({ fencingToken: 1 }),
  'POST /conversations/{id}/release': () => ({ fencingToken: 1, to: 'bot' }),
  'POST /conversations/{id}/close': () => ({ fencingToken: 1, note: 'taken' }),
  'PATCH /rules/{id}': () => ({ name: 'taken' }),
  'POST /rules/{id}/dry-run': () => ({ limit: 10 }),
  'POST /suppressions/{id}/correct': () => ({ note: 'taken', channel: 'email' }),
  'POST /reviews/{id}/confirm': () => ({ note: 'taken' }),
  'POST /reviews/{id}/lift': () => ({ note: 'taken' }),
  'POST /people/{id}/link': () => ({ addresses: ['taken@example.com'] }),
};
/** Queries that an operation needs. */
const QUERIES: Readonly<Record<string, string>> = { 'DELETE /suppressions/{id}': '?reason=mistake' };
/** Operations that name somebody's thing in their body, and which. */
const BY_BODY: Readonly<Record<string, { readonly of: string; readonly body: (id: string) => object }>> = {
  'POST /messages': {
    of: 'sources',
    body: (sourceId) => ({
      ...{ sourceId, to: CONTACT, channel: 'sms', category: 'transactional', content: { text: 'taken' } },
    }),
  },
  'POST /quarantine/retry': { of: 'events', body: (id) => ({ filter: { eventIds: [id] } }) },
  'POST /dead-letters/redrive': { of: 'destinations', body: (id) => ({ filter: { destinationId: id } }) },
};
const T = '/v1/tenants/{tenant}';
const nameOf = ({ method, path }: Operation): string => `${method} ${path.replace(T, '')}`;

async function call(by: OpenTenant, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(platform.local.apiUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${by.key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** The lists of the owner, without the times at which keys and secrets were used. */
async function things(): Promise<Record<string, string>> {
  const all =
    'sources destinations api-keys rules suppressions reviews conversations messages policies'.split(' ');
  const read = async (what: string): Promise<[string, string]> => {
    const { status, text } = await call(owner, 'GET', `/v1/tenants/${owner.slug}/${what}`);
    expect([what, status]).toEqual([what, 200]);
    return [what, text.replaceAll(/"last(Used|Matched)At":("[^"]*"|null)/g, '')];
  };
  return Object.fromEntries(await Promise.all(all.map(read)));
}

/** An ID of the same kind that nobody has. */
const another = (id: string): string => idOf(id.slice(0, id.indexOf('_')), randomUUID());

/** An answer without what is different each time: the call it is about, and the ID it was asked for. */
const told = ({ status, text }: Answer, id: string): string =>
  `${status} ${text.replaceAll(id, 'ID').replace(/"instance":"[^"]*"/, '')}`;

function expectNothingForeign(what: string, { text }: Answer, asked: string): void {
  const ids = [...Object.values(owned), owner.id, owner.keyId].filter((id) => id !== asked);
  const found = [...ids, ...MARKS].filter((each) => text.includes(each));
  expect({ what, found }).toEqual({ what, found: [] });
}

test('B10 the walk finds what it looks for: the owner gets at each of these things', async () => {
  for (const operation of operations.filter(
    ({ method, path }) => method === 'GET' && path.endsWith('/{id}'),
  )) {
    const collection = collectionOf(operation);
    if (!operation.path.startsWith(T)) continue;
    const path = operation.path.replace('{tenant}', owner.slug).replace('{id}', owned[collection]!);
    const answer = await call(owner, 'GET', path);
    expect({ path, status: answer.status }).toEqual({ path, status: 200 });
    expect(() => expectNothingForeign(path, answer, '')).toThrow();
  }
});

const collectionOf = ({ path }: Operation): string => /\{tenant\}\/([\w-]+)/.exec(path)?.[1] ?? '';

test("B10 every operation on another tenant, with that tenant's IDs: what a tenant that nobody has answers", async () => {
  expect(operations.length).toBeGreaterThan(95);
  for (const operation of operations.filter(({ path }) => path.startsWith(T))) {
    const fill = (tenant: string): string =>
      operation.path
        .replace('{tenant}', tenant)
        .replace('{secretId}', owned[`${collectionOf(operation)}/secretId`] ?? '')
        .replace('{id}', owned[collectionOf(operation)] ?? '');
    const name = nameOf(operation);
    const id = owned[BY_BODY[name]?.of ?? ''] ?? '';
    const body = (BODIES[name] ?? BY_BODY[name]?.body)?.(id);
    const nobodys = await call(stranger, operation.method, fill('nobody-has-this'), body);
    for (const tenant of [owner.slug, owner.id]) {
      const answer = await call(stranger, operation.method, fill(tenant), body);
      expect({ name, told: told(answer, tenant) }).toEqual({ name, told: told(nobodys, 'nobody-has-this') });
      expect([name, [403, 404].includes(answer.status)]).toEqual([name, true]);
      expectNothingForeign(name, answer, owner.id);
    }
  }
});

const ANYBODY = 'a person is a hash: nobody tells whether somebody has written to us';
/** Operations that answer 200 whatever the ID, with nothing in it, and why. */
const ALIKE_FOR_ALL: Readonly<Record<string, string>> = {
  'GET /people/{id}/timeline': ANYBODY,
  'POST /people/{id}/erase': ANYBODY,
  'POST /people/{id}/link': ANYBODY,
};

test("B10 every operation with an ID of another tenant's thing: what an ID that nobody has answers", async () => {
  const all = operations.filter(({ path }) => path.startsWith(T) && path.includes('{id}'));
  expect(all.length).toBeGreaterThan(45);
  const others: Record<string, number> = {};
  for (const operation of all) {
    const name = nameOf(operation);
    const collection = collectionOf(operation);
    const [id, secretId] = [owned[collection], owned[`${collection}/secretId`] ?? ''];
    if (id === undefined) throw new Error(`${name}: the owner has no such thing`);
    if (operation.requestBody?.required === true && BODIES[name] === undefined)
      throw new Error(`${name}: there is no body for it`);
    const ask = (thing: string): Promise<Answer> => {
      const path = operation.path.replace('{tenant}', stranger.slug).replace('{id}', thing);
      const whole = path.replace('{secretId}', secretId) + (QUERIES[name] ?? '');
      return call(stranger, operation.method, whole, BODIES[name]?.(thing));
    };
    const random = another(id);
    const [theirs, nobodys] = [await ask(id), await ask(random)];
    expect([name, nobodys.status]).toEqual([name, theirs.status]);
    if (theirs.status >= 300)
      expect({ name, told: told(theirs, id) }).toEqual({ name, told: told(nobodys, random) });
    if (theirs.status !== 404) others[name] = theirs.status;
    expectNothingForeign(name, theirs, id);
  }
  expect(others).toEqual(Object.fromEntries(Object.keys(ALIKE_FOR_ALL).map((name) => [name, 200])));
});

test("B10 lists that are asked for another tenant's things, and bodies that name them: nothing, as for what nobody has", async () => {
  let asked = 0;
  for (const operation of operations.filter(({ path }) => path.startsWith(T) && !path.includes('{id}'))) {
    const name = nameOf(operation);
    const names = (operation.parameters ?? []).filter(({ in: place }) => place === 'query');
    const ways = names.flatMap(({ name: parameter }) =>
      owned[parameter] === undefined ? [] : [{ id: owned[parameter], query: `?${parameter}=` }],
    );
    const byBody = BY_BODY[name];
    if (byBody !== undefined) ways.push({ id: owned[byBody.of]!, query: '' });
    for (const { id, query } of ways) {
      const ask = (thing: string): Promise<Answer> => {
        const path = operation.path.replace('{tenant}', stranger.slug) + query + (query === '' ? '' : thing);
        return call(stranger, operation.method, path, byBody?.body(thing));
      };
      const random = another(id);
      const [theirs, nobodys] = [await ask(id), await ask(random)];
      expect({ name, query, told: told(theirs, id) }).toEqual({ name, query, told: told(nobodys, random) });
      expect(theirs.status).not.toBe(500);
      expectNothingForeign(`${name}${query}`, theirs, id);
      asked += 1;
    }
  }
  expect(asked).toBeGreaterThan(12);
});

test('B10 afterwards the owner’s things are as they were, and nobody else stands in the owner’s audit log', async () => {
  const { data: entries } = await owner.api.call<{ data: { actor: { id: string } }[] }>(
    'GET',
    `/tenants/${owner.slug}/audit?limit=500`,
  );
  expect(entries.length).toBeGreaterThan(5);
  expect(JSON.stringify(entries)).not.toContain(stranger.keyId);
  expect(await things()).toEqual(before);
});
