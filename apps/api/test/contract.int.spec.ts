import { parseId } from '@posthorn/clock/id.js';
import { ROUTES } from '../src/transport/controllers.js';
import { Declared } from './declared.js';
import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';
import { EVENT, LINKED_ID, MESSAGE, PERSON_HASH, PERSON_ID, RULE } from './played-things.js';

let api: TestApi;
let tenant: { slug: string; id: string; key: string };
let call: Caller;
const declared = new Declared(() => tenant.slug);
const { seen } = declared;
const checked = declared.checked.bind(declared);
const sampled = declared.sampled.bind(declared);

beforeAll(async () => {
  api = await startApi();
  const answer = await checked(
    api.operator,
    'POST',
    '/v1/tenants',
    {},
    { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
  );
  tenant = { slug: answer.body.slug, id: answer.body.id, key: answer.body.apiKey.secret };
  call = api.caller(tenant.key);
}, 60_000);
afterAll(() => api.close());

const T = '/v1/tenants/{tenant}';

test('B9 tenants and API keys: each answer is what its schema declares', async () => {
  await checked(api.operator, 'GET', '/v1/tenants', {}, undefined, '?limit=1');
  expect((await checked(call, 'GET', T)).body).toMatchObject({ id: tenant.id, timeZone: 'Europe/Vienna' });
  expect((await checked(call, 'GET', T, { tenant: tenant.id })).body.slug).toBe(tenant.slug);
  expect((await checked(call, 'PATCH', T, {}, { name: 'Acme & Co' })).body.name).toBe('Acme & Co');
  const rotated = await checked(call, 'POST', `${T}/keys/rotate`, {}, {});
  expect(rotated.body.dataKeys.map(({ generation }: { generation: number }) => generation)).toEqual([1, 1]);
  expect((await checked(call, 'POST', `${T}/keys/persons/rotate`, {}, {})).body.generation).toBe(1);
  await checked(call, 'GET', `${T}/keys/persons`);
  const key = await checked(call, 'POST', `${T}/api-keys`, {}, { name: 'reader', scopes: ['events:read'] });
  expect(key.body.secret.length).toBeGreaterThan(20);
  const keys = await checked(call, 'GET', `${T}/api-keys`);
  expect(keys.body.data.map(({ id }: { id: string }) => id)).toContain(key.body.id);
  expect(JSON.stringify(keys.body)).not.toContain(key.body.secret);
  await checked(call, 'DELETE', `${T}/api-keys/{id}`, { id: key.body.id });
  expect((await api.caller(key.body.secret)('GET', `/v1/tenants/${tenant.slug}/events`)).status).toBe(401);
  const other = await checked(
    api.operator,
    'POST',
    '/v1/tenants',
    {},
    { slug: uniqueSlug(), name: 'Gone', country: 'DE', timeZone: 'UTC' },
  );
  const { receipt } = (await checked(api.operator, 'DELETE', T, { tenant: other.body.slug })).body;
  await checked(api.operator, 'GET', '/v1/tenant-deletions/{id}', { id: receipt.tenantId });
  await checked(api.caller(undefined), 'GET', '/v1/signing-keys');
});

test('B7 sources and their secrets, and the catalogue of providers', async () => {
  const catalogue = await checked(call, 'GET', `${T}/providers`);
  const twilio = catalogue.body.data.find(({ id }: { id: string }) => id === 'twilio');
  expect(twilio.settings.properties).toHaveProperty('accountSid');
  const created = await checked(
    call,
    'POST',
    `${T}/sources`,
    {},
    { name: 'in', provider: 'standard-webhooks' },
  );
  const { id, url, secret } = created.body;
  expect(secret).toMatch(/^whsec_/);
  expect(url).toBe(`http://127.0.0.1:8081/in/${tenant.slug}/${id}`);
  await checked(call, 'GET', `${T}/sources`);
  expect((await checked(call, 'GET', `${T}/sources/{id}`, { id })).body).not.toHaveProperty('secret');
  const changed = await checked(
    call,
    'PATCH',
    `${T}/sources/{id}`,
    { id },
    { settings: { freshnessSeconds: 60 }, status: 'paused' },
  );
  expect(changed.body).toMatchObject({ settings: { freshnessSeconds: 60 }, status: 'paused' });
  const rotated = await checked(call, 'POST', `${T}/sources/{id}/secrets`, { id }, { overlapSeconds: 600 });
  expect(rotated.body).toMatchObject({ status: 'current' });
  const secrets = await checked(call, 'GET', `${T}/sources/{id}/secrets`, { id });
  const previous = secrets.body.data.find(({ status }: { status: string }) => status === 'previous');
  expect(previous.expiresAt).not.toBeNull();
  await checked(call, 'DELETE', `${T}/sources/{id}/secrets/{secretId}`, { id, secretId: previous.id });
  await checked(call, 'DELETE', `${T}/sources/{id}`, { id });
  expect((await call('GET', `/v1/tenants/${tenant.slug}/sources/${id}`)).status).toBe(404);
});

test('B7 F2 F6 destinations and their secrets', async () => {
  const body = {
    name: 'crm',
    url: 'https://crm.example.com/hook',
    eventTypes: ['message.delivered'],
    headers: { 'X-Team': 'a' },
    include: ['handoff.flat'],
  };
  const created = await checked(call, 'POST', `${T}/destinations`, {}, body);
  const { id, signingSecret } = created.body;
  expect(signingSecret).toMatch(/^whsec_/);
  expect(created.body).toMatchObject({ ...body, ordering: 'none', ratePerSecond: null, status: 'active' });
  await checked(call, 'GET', `${T}/destinations`);
  await checked(call, 'GET', `${T}/destinations/{id}`, { id });
  const changed = await checked(
    call,
    'PATCH',
    `${T}/destinations/{id}`,
    { id },
    { ratePerSecond: 5, retry: { maxAttempts: 3 }, eventTypes: [] },
  );
  expect(changed.body).toMatchObject({
    ratePerSecond: 5,
    eventTypes: [],
    retry: { maxAttempts: 3, maxAgeSeconds: created.body.retry.maxAgeSeconds },
  });
  const cleared = await checked(call, 'PATCH', `${T}/destinations/{id}`, { id }, { ratePerSecond: null });
  expect(cleared.body.ratePerSecond).toBeNull();
  const rotated = await checked(call, 'POST', `${T}/destinations/{id}/secrets`, { id }, {});
  expect(rotated.body.signingSecret).toMatch(/^whsec_/);
  const [current, previous] = (await checked(call, 'GET', `${T}/destinations/{id}/secrets`, { id })).body
    .data;
  expect([current.id, previous.status]).toEqual([rotated.body.id, 'previous']);
  await checked(call, 'DELETE', `${T}/destinations/{id}/secrets/{secretId}`, { id, secretId: previous.id });
  for (const [act, status] of Object.entries({ disable: 'disabled', enable: 'active' }))
    expect((await checked(call, 'POST', `${T}/destinations/{id}/${act}`, { id })).body.status).toBe(status);
  await checked(call, 'POST', `${T}/destinations/{id}/test`, { id });
  await checked(call, 'DELETE', `${T}/destinations/{id}`, { id });
  const webhook = { url: 'https://hooks.example.com/x' };
  await checked(call, 'PUT', `${T}/notifications`, {}, { webhook });
  await checked(call, 'POST', `${T}/notifications/test`, {}, {});
  await checked(call, 'GET', `${T}/notifications`);
});

test('H5 events and deliveries', async () => {
  const id = { id: 'evt_1' };
  const query = '?from=2026-01-01T00:00:00%2B02:00&state=projected';
  await checked(call, 'GET', `${T}/events`, {}, undefined, query);
  await checked(call, 'GET', `${T}/events/{id}`, id);
  const timeline = await checked(call, 'GET', `${T}/events/{id}/timeline`, id);
  const stages = timeline.body.entries.map(({ stage }: { stage: string }) => stage);
  expect(stages.join(' ')).toBe('received stored transition delivery attempt');
  await sampled(call, 'GET', `${T}/events/{id}/media/{index}`);
  const payload = await checked(call, 'GET', `${T}/events/{id}/payload`, id);
  expect(payload.body).toMatchObject({
    headers: [
      ['X-A', '1'],
      ['x-b', '2'],
    ],
    bodyBase64: Buffer.from('raw').toString('base64'),
  });
  await checked(call, 'GET', `${T}/deliveries`);
  await checked(call, 'GET', `${T}/deliveries/{id}`, id);
  await checked(call, 'POST', `${T}/deliveries/{id}/retry`, id);
  await checked(call, 'GET', `${T}/dead-letters`);
  await checked(call, 'POST', `${T}/dead-letters/redrive`, {}, {});
});

test('C5 D1 E2 messages: asked for, told with what was decided, called back, resolved', async () => {
  await sampled(call, 'GET', `${T}/messages`);
  const one = await sampled(call, 'GET', `${T}/messages/{id}`);
  expect(one.body).toMatchObject({
    state: 'delivered',
    command: { state: 'sent', decision: { rule: 'quiet_hours.us_federal' } },
  });
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const headers = { 'idempotency-key': 'send-1', traceparent };
  expect((await sampled(call, 'POST', `${T}/messages`, {}, headers)).body.state).toBe('accepted');
  expect(api.played.lastOf('createMessage')).toMatchObject({
    ...{ tenantId: tenant.id, idempotencyKey: 'send-1', sender: 'bot', fencingToken: 0n, notBeforeMs: 0 },
    ...{ to: '+436601234567', content: { text: 'Hello' } },
    traceparent: expect.stringContaining('4bf92f3577b34da6a3ce929d0e0e4736'),
  });
  const asked = api.played.calls.length;
  await sampled(call, 'POST', `${T}/messages`, {}, headers);
  // The dispatcher knows the key, and has its answer.
  expect(api.played.calls.slice(asked).map(({ method }) => method)).toEqual(['createMessage']);
  await sampled(call, 'POST', `${T}/messages/{id}/cancel`);
  await sampled(call, 'POST', `${T}/messages/{id}/resolve`);
});

test('D6 conversations: listed, handed over, claimed with a token, released, closed', async () => {
  const listed = await sampled(call, 'GET', `${T}/conversations`);
  expect(listed.body.data[0]).toMatchObject({ state: 'claimed', contact: PERSON_ID });
  expect(api.played.lastOf('listConversations')).toMatchObject({ personHash: PERSON_HASH });
  const one = await sampled(call, 'GET', `${T}/conversations/{id}`);
  expect(one.body).toMatchObject({ messages: [{ id: MESSAGE.id }], handoff: { fencingToken: 7 } });
  await sampled(call, 'GET', `${T}/agent-queue`);
  await sampled(call, 'POST', `${T}/conversations/{id}/handoff`);
  const { contextJson, reason, actor } = api.played.lastOf('createHandoff');
  expect(JSON.parse(contextJson as string)).toEqual({
    intent: 'refund',
    sentiment: { label: 'angry', score: 0.9 },
  });
  expect({ reason, actor }).toEqual({ reason: 'user_request', actor: expect.stringMatching(/^key_/) });
  const path = `/v1/tenants/${tenant.slug}/conversations/${one.body.id}/handoff`;
  expect((await call('POST', path, { body: { reason: 'sla', key: 'again' } })).status).toBe(200);
  for (const act of ['claim', 'accept', 'release', 'close'])
    await sampled(call, 'POST', `${T}/conversations/{id}/${act}`);
  expect(api.played.lastOf('releaseConversation')).toMatchObject({ fencingToken: 7n, to: 'bot' });
  expect((await sampled(call, 'GET', `${T}/conversations/{id}/handoff`)).body.flat.intent).toBe('refund');
});

test('E1 E8 suppressions: listed, made, corrected, lifted; findings of the phrase tier judged', async () => {
  await sampled(call, 'GET', `${T}/suppressions`);
  expect(api.played.lastOf('listSuppressions')).toMatchObject({ personId: PERSON_ID, hasLifted: true });
  await sampled(call, 'POST', `${T}/suppressions`);
  await sampled(call, 'POST', `${T}/suppressions/{id}/correct`);
  expect(api.played.lastOf('correctSuppression')).toMatchObject({ channel: 'sms', scope: '', note: 'typo' });
  await sampled(call, 'DELETE', `${T}/suppressions/{id}`);
  await sampled(call, 'GET', `${T}/reviews`);
  await sampled(call, 'POST', `${T}/reviews/{id}/confirm`);
  await sampled(call, 'POST', `${T}/reviews/{id}/lift`);
  expect(api.played.lastOf('decideReview')).toMatchObject({ eventId: EVENT.id, state: 'lifted' });
});

test('E3 E4 consents with their proof; E2 decisions with rule and facts; policies', async () => {
  const consents = await sampled(call, 'GET', `${T}/consents`);
  expect(consents.body.data[0]).toMatchObject({ status: 'suppressed', proof: { wording: 'yes, please' } });
  await sampled(call, 'POST', `${T}/consents`);
  expect(api.played.lastOf('createConsent')).toMatchObject({
    status: 'opted_in',
    proof: { method: 'web_form' },
  });
  const decisions = await sampled(call, 'GET', `${T}/decisions`);
  expect(decisions.body.data[0]).toMatchObject({ decision: 'defer', facts: { consent: 'opted_in' } });
  expect((await sampled(call, 'GET', `${T}/policies`)).body).toMatchObject({
    version: 3,
    keywords: { optOut: ['basta'] },
  });
  await sampled(call, 'PUT', `${T}/policies`);
  const { policyJson, expectedVersion, isOperator } = api.played.lastOf('putPolicy');
  expect({ expectedVersion, isOperator }).toEqual({ expectedVersion: 3, isOperator: false });
  expect(JSON.parse(policyJson as string)).toMatchObject({ caps: [{ count: 2, windowHours: 24 }] });
  expect(JSON.parse(policyJson as string)).not.toHaveProperty('expectedVersion');
  await sampled(api.operator, 'PUT', `${T}/policies`);
  expect(api.played.lastOf('putPolicy')).toMatchObject({ isOperator: true });
});

test('E5 people: looked up by address, told in one view with each decision and its rule, linked', async () => {
  const found = await sampled(call, 'POST', `${T}/people/lookup`);
  expect(api.played.lastOf('lookupPerson')).toMatchObject({ channel: 'sms' });
  expect(found.body).toMatchObject({ id: PERSON_ID, linkedPersonIds: [LINKED_ID] });
  const story = await sampled(call, 'GET', `${T}/people/{id}/timeline`);
  expect(story.body.data.map(({ kind, what, rule }: Record<string, string>) => [kind, what, rule])).toEqual([
    ['event', 'message.delivered', null],
    ['decision', 'defer', 'quiet_hours.us_federal'],
    ['send', 'sent', 'quiet_hours.us_federal'],
  ]);
  expect(story.body.data[0].message).toEqual({ from: 'sent', to: 'delivered' });
  expect(story.body.data.every(({ personId }: Record<string, string>) => personId === PERSON_ID)).toBe(true);
  // Everybody is asked about all addresses that are linked.
  const hashes = [PERSON_ID, LINKED_ID].map((each) => parseId('per', each)!);
  expect(api.played.lastOf('listPersonEvents')).toMatchObject({ personHashes: hashes });
  expect(api.played.lastOf('listMessageCommands')).toMatchObject({
    personHashes: hashes.map((hash) => hash.toString('hex')),
  });
  expect((await sampled(call, 'POST', `${T}/people/{id}/link`)).body.personIds).toEqual([
    PERSON_ID,
    LINKED_ID,
  ]);
  await sampled(call, 'POST', `${T}/people/{id}/erase`);
  await sampled(call, 'GET', `${T}/erasures/{id}`);
  expect(await call('GET', `/v1/tenants/${tenant.slug}/people/per_none/timeline`)).toMatchObject({
    status: 404,
    body: { code: 'person.not_found' },
  });
});

test('D4 rules: made, changed, told with what they fired, tried without effect, deleted', async () => {
  await sampled(call, 'POST', `${T}/rules`);
  expect(api.played.lastOf('createRule')).toMatchObject({
    ...{ name: 'thank', enabled: true, actorId: expect.stringMatching(/^key_/) },
    when: { types: ['message.received'], once: 'event' },
    then: { action: { $case: 'send', value: { sourceId: '', text: 'Thanks', templateParameters: [] } } },
  });
  const first = await sampled(call, 'GET', `${T}/rules`);
  expect(first.body).toMatchObject({ data: [{ id: RULE.id, version: 2 }], nextCursor: RULE.id });
  const rest = await call('GET', `/v1/tenants/${tenant.slug}/rules?cursor=${RULE.id}`);
  expect(rest.body).toMatchObject({ data: [{ id: 'rul_0' }], nextCursor: null });
  const one = await sampled(call, 'GET', `${T}/rules/{id}`);
  expect(one.body.then).toMatchObject({ action: 'send', sourceId: EVENT.sourceId });
  await sampled(call, 'PATCH', `${T}/rules/{id}`);
  const { name, when, enabled, then } = api.played.lastOf('updateRule');
  expect({ name, when, enabled }).toEqual({ name: undefined, when: undefined, enabled: undefined });
  expect(then).toEqual({ action: { $case: 'tag', value: { tag: 'vip', target: 'message' } } });
  await sampled(call, 'POST', `${T}/rules/{id}/dry-run`);
  expect((await sampled(call, 'GET', `${T}/rules/{id}/effects`)).body.data[0].result).toBe(MESSAGE.id);
  await sampled(call, 'DELETE', `${T}/rules/{id}`);
});

test('A8 A10 intake: what was refused, not understood, not processed, not kept; refused again by one call', async () => {
  const refused = await sampled(call, 'GET', `${T}/refusals`);
  expect(refused.body.data[0].headers[0]).toEqual(['content-type', 'application/json']);
  expect((await sampled(call, 'GET', `${T}/drift`)).body.data[0]).toMatchObject({ count: 4, kind: null });
  expect((await sampled(call, 'GET', `${T}/drift/fields`)).body.data[0]).toMatchObject({ type: null });
  for (const path of ['quarantine', 'drift/reprocessings']) await sampled(call, 'GET', `${T}/${path}`);
  for (const path of ['quarantine/retry', 'drift/reprocess']) await sampled(call, 'POST', `${T}/${path}`);
  expect(api.played.lastOf('retryQuarantine')).toMatchObject({ filter: { eventIds: [EVENT.id], fromMs: 0 } });
  await sampled(call, 'GET', `${T}/retention-runs`);
  const made = await call('POST', `/v1/tenants/${tenant.slug}/sources`, {
    body: { name: 'refusing', provider: 'standard-webhooks' },
  });
  const id = { id: made.body.id };
  expect((await sampled(call, 'POST', `${T}/sources/{id}/refusals/reverify`, id)).body.requests).toBe(50);
  const none = await call('POST', `/v1/tenants/${tenant.slug}/sources/${EVENT.sourceId}/refusals/reverify`);
  expect(none).toMatchObject({ status: 404, body: { code: 'source.not_found' } });
  const ready = await sampled(call, 'GET', `${T}/sources/{id}/readiness`, id);
  const results = ready.body.checks.map(({ name, result }: Record<string, string>) => [name, result]);
  expect(Object.fromEntries(results)).toMatchObject({
    ...{ active: 'pass', first_event: 'pass', signature: 'pass', secret: 'unknown', recognized: 'fail' },
    ...{ stop_handling: 'pass', dead_letters: 'fail', audit: 'pass' },
  });
  expect(ready.body.isReady).toBe(false);
});

test('I8 stops: each by one call, shown where it holds', async () => {
  const made = await call('POST', `/v1/tenants/${tenant.slug}/sources`, {
    body: { name: 'stopped', provider: 'standard-webhooks' },
  });
  const id = { id: made.body.id };
  expect((await sampled(call, 'POST', `${T}/sources/{id}/pause`, id)).body.status).toBe('paused');
  expect((await sampled(call, 'POST', `${T}/sources/{id}/resume`, id)).body.status).toBe('active');
  const set = await sampled(call, 'PUT', `${T}/sources/{id}/credentials`, id);
  expect(set.body.credentialsSetAt).not.toBeNull();
  expect(
    JSON.stringify((await call('GET', `/v1/tenants/${tenant.slug}/sources/${id.id}`)).body),
  ).not.toContain('token-of-provider');
  await sampled(call, 'DELETE', `${T}/sources/{id}/credentials`, id);
  expect((await sampled(call, 'POST', `${T}/sends/pause`)).body.isSendingPaused).toBe(true);
  expect((await sampled(call, 'POST', `${T}/sends/resume`)).body.isSendingPaused).toBe(false);
  expect((await sampled(api.operator, 'POST', `${T}/suspend`)).body.status).toBe('suspended');
  expect((await call('GET', `/v1/tenants/${tenant.slug}/sources`)).status).toBe(200);
  expect((await call('POST', `/v1/tenants/${tenant.slug}/messages`, { body: {} })).status).toBe(403);
  expect((await sampled(api.operator, 'POST', `${T}/resume`)).body.status).toBe('active');
  expect((await sampled(api.operator, 'POST', '/v1/sends/pause')).body.isSendingPaused).toBe(true);
  expect((await sampled(api.operator, 'GET', '/v1/sends')).body.isSendingPaused).toBe(true);
  expect((await sampled(api.operator, 'POST', '/v1/sends/resume')).body.isSendingPaused).toBe(false);
});

test('B9 operator keys live and end; B7 the key-encryption key is rotated', async () => {
  const made = await sampled(api.operator, 'POST', '/v1/operators/keys');
  const other = api.caller(made.body.secret);
  expect((await other('GET', '/v1/tenants')).status).toBe(200);
  const next = await other('POST', '/v1/operators/keys/rotate', { body: { overlapSeconds: 0 } });
  expect((await other('GET', '/v1/tenants')).status).toBe(401);
  expect(next.status).toBe(201);
  await checked(
    api.operator,
    'POST',
    '/v1/operators/keys/rotate',
    {},
    { id: next.body.id, overlapSeconds: 60 },
  );
  const keys = await sampled(api.operator, 'GET', '/v1/operators/keys');
  expect(keys.body.data.map(({ origin }: { origin: string }) => origin)).toContain('file');
  await sampled(api.operator, 'DELETE', '/v1/operators/keys/{id}', { id: next.body.id });
  const rotated = await sampled(api.operator, 'POST', '/v1/keys/rotate');
  expect(rotated.body.rewrapped + rotated.body.remaining).toBeGreaterThan(0);
});

test('B8 audit: filtered, exported with its chain, verified; reads of personal data are in it', async () => {
  const seenPayload = await sampled(call, 'GET', `${T}/events/{id}/payload`);
  expect(seenPayload.status).toBe(200);
  const audit = await checked(call, 'GET', `${T}/audit`, {}, undefined, '?action=payload.read&limit=1');
  expect(audit.body.data[0]).toMatchObject({ actor: { kind: 'tenant' }, target: EVENT.id });
  for (const action of ['handoff.read', 'person.looked_up', 'person.timeline_read']) {
    const { body } = await call('GET', `/v1/tenants/${tenant.slug}/audit?action=${action}`);
    expect(body.data.length).toBeGreaterThan(0);
  }
  const file = await sampled(call, 'GET', `${T}/audit/export`);
  const lines = (file.body as string)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ number }) => number)).toEqual(lines.map((_, at) => at + 1));
  expect(lines.every(({ hash }) => /^[0-9a-f]{64}$/.test(hash))).toBe(true);
  const verdict = await sampled(call, 'GET', `${T}/audit/verify`);
  expect(verdict.body).toMatchObject({ isValid: true, nextAfter: null, problem: null });
  expect(verdict.body.entries).toBeGreaterThanOrEqual(lines.length);
  for (const at of ['/v1/audit', '/v1/audit/verify', '/v1/overview']) await sampled(api.operator, 'GET', at);
  const csv = await sampled(api.operator, 'GET', '/v1/audit/export', {}, { accept: 'text/csv' });
  expect(csv.body).toMatch(/^id,number,at,actor\.id,actor\.kind,actor\.remoteAddress,action,/);
});

test('E8 B8 files are taken and given', async () => {
  for (const kind of ['suppressions', 'consents']) {
    await sampled(call, 'POST', `${T}/${kind}/import`);
    await sampled(call, 'GET', `${T}/${kind}/export`);
    const path = `/v1/tenants/${tenant.slug}/audit?action=${kind}.exported`;
    expect((await call('GET', path)).body.data).not.toEqual([]);
  }
});

test('A5 every declared operation was called and answered as declared', () => {
  expect([...seen].sort()).toEqual(ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
});
