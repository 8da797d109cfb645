import { type z } from 'zod';
import { ROUTES } from '../src/transport/controllers.js';
import { type RouteOptions } from '../src/transport/route.js';
import { startApi, type TestApi, uniqueSlug } from './harness.js';
import { COMMAND, RULE } from './played-things.js';
import { SAMPLES } from './samples.js';

let api: TestApi;
let slug: string;

beforeAll(async () => {
  api = await startApi();
  slug = uniqueSlug();
  await api.operator('POST', '/v1/tenants', {
    body: { slug, name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
  });
}, 60_000);
afterAll(() => api.close());

/** Its fields are the provider's, not ours. */
const FREE = 'PUT /v1/tenants/{tenant}/sources/{id}/credentials';
const nameOf = ({ method, path }: RouteOptions): string => `${method} ${path}`;
const sampleOf = (route: RouteOptions) => SAMPLES[nameOf(route)] ?? {};
const rows = (routes: readonly RouteOptions[]) => routes.map((route) => ({ name: nameOf(route), route }));
const withBody = ROUTES.filter((route) => route.body !== undefined && nameOf(route) !== FREE);
const withQuery = ROUTES.filter((route) => route.query !== undefined);

/** An operator with the scope for payloads may call them all. */
const send = async (route: RouteOptions, query: string, body?: unknown) => {
  const key = await operatorKey();
  const filled = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    name === 'tenant' ? slug : (sampleOf(route).params?.[name] ?? 'none'),
  );
  return api.caller(key)(route.method, filled + query, body === undefined ? {} : { body });
};
let madeKey: Promise<string> | undefined;
const operatorKey = (): Promise<string> =>
  (madeKey ??= api
    .operator('POST', '/v1/operators/keys', { body: { name: 'all', scopes: ['payloads:read'] } })
    .then(({ body }) => body.secret as string));

const pathsOf = (body: { errors?: { path: string }[] }): string[] =>
  (body.errors ?? []).map(({ path }) => path);

test.each(rows(withBody))('B5 $name: a field that is not there is named', async ({ route }) => {
  const answer = await send(route, '', { ...sampleOf(route).body, surprise: 1 });
  expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
  expect(pathsOf(answer.body)).toContain('surprise');
});

test.each(rows(withBody.filter((route) => sampleOf(route).body !== undefined)))(
  'B5 $name: each field that is of another type is named',
  async ({ route }) => {
    const { body } = sampleOf(route);
    for (const field of Object.keys(body!)) {
      const answer = await send(route, '', { ...body, [field]: [[]] });
      expect({ field, ...answer }).toMatchObject({ field, status: 400, body: { code: 'request.invalid' } });
      expect(pathsOf(answer.body).filter((path) => path !== field && !path.startsWith(`${field}.`))).toEqual(
        [],
      );
      expect(pathsOf(answer.body).length).toBeGreaterThan(0);
    }
  },
);

test.each(rows(withQuery))('B5 $name: a parameter that is not there is named', async ({ route }) => {
  const answer = await send(route, '?surprise=1');
  expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
  expect(pathsOf(answer.body)).toContain('query.surprise');
});

test.each(rows(withQuery))(
  'I8 $name: U+0000 in a parameter is named, and nobody is asked',
  async ({ route }) => {
    const asked = api.played.calls.length;
    for (const name of Object.keys((route.query as z.ZodObject).shape)) {
      const answer = await send(route, `?${name}=a%00`);
      expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
      expect(pathsOf(answer.body)).toEqual([`query.${name}`]);
    }
    expect(api.played.calls.length).toBe(asked);
  },
);

test.each(rows(withBody))('I8 $name: U+0000 and half a character in a field are named', async ({ route }) => {
  for (const text of ['a\0', '\ud83d']) {
    const answer = await send(route, '', { ...sampleOf(route).body, some: [{ inner: text }] });
    expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect(pathsOf(answer.body)).toEqual(['some.0.inner']);
  }
});

const withParams = ROUTES.filter(({ path }) => path.includes('{'));
test.each(rows(withParams))('I8 $name: U+0000 in the path is named', async ({ route: { method, path } }) => {
  const call = api.caller(await operatorKey());
  for (const [, name] of path.matchAll(/\{(\w+)\}/g)) {
    const target = path.replaceAll(/\{(\w+)\}/g, (_, each) => (each === name ? 'a%00' : slug));
    const answer = await call(method, target, ['GET', 'DELETE'].includes(method) ? {} : { body: {} });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: `path.${name}` }] } });
  }
});

test('I8 a body that is not UTF-8 is refused, not mended; a row with U+0000 fails no other', async () => {
  const post = async (what: string, type: string, body: Buffer) => {
    const headers = { authorization: `Bearer ${await operatorKey()}`, 'content-type': type };
    const url = `${api.url}/v1/tenants/${slug}/${what}`;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what it is, the test says
    return (await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })).json() as any;
  };
  const broken = Buffer.from('{"address":"+43660000001","program":"\xff"}', 'latin1');
  for (const [what, type] of [
    ['consents', 'application/json'],
    ['consents/import', 'application/x-ndjson'],
    ['suppressions/import', 'text/csv'],
  ] as const)
    expect(await post(what, type, broken)).toMatchObject({ status: 400, code: 'request.malformed' });
  const lines = ['{"address":"+43660000002","scope":"a\\u0000"}', '{"address":"+43660000002"}'].join('\n');
  expect(await post('suppressions/import', 'application/x-ndjson', Buffer.from(lines))).toMatchObject({
    ...{ rows: 2, created: 1, refused: 1 },
    errors: [{ row: 1, path: 'scope' }],
  });
});

describe('B5 what is not valid of a message to send, or of a person', () => {
  const cases = [
    ['messages', 'content', { content: {} }],
    ['messages', 'content', { content: { unsubscribeUrl: 'https://a.example/' } }],
    ['messages', 'content.mediaUrls.0', { content: { mediaUrls: ['file:///etc/passwd'] } }],
    ['messages', 'fencingToken', { sender: 'agent' }],
    ['messages', 'replyTo', { replyTo: 'cnv_1' }],
    ['messages', 'timeZone', { timeZone: 'Europe/Nowhere' }],
    ['messages', 'timeZone', { timeZone: '+01:00' }],
    ['messages', 'country', { country: 'austria' }],
    ['messages', 'country', { country: 'XQ' }],
    ['conversations/none/handoff', 'timeZone', { timeZone: 'Europe/Nowhere' }],
    ['messages', 'notBefore', { notBefore: 'tomorrow' }],
    ['consents', 'program', { program: '' }],
    ['consents', 'proof.eventId', { proof: { eventId: 'evt_1' } }],
    ['consents', 'proof.ip', { proof: { ip: 'home' } }],
    ['people/per_x/link', 'addresses', { addresses: [] }],
    ['people/lookup', 'address', { address: 'x' }],
  ] as const;
  test.each(cases)('%s: %s of %j', async (what, path, change) => {
    const sample = SAMPLES[`POST /v1/tenants/{tenant}/${what.replace(/per_x|none/, '{id}')}`]!.body;
    const body = { ...sample, ...change };
    const answer = await api.operator('POST', `/v1/tenants/${slug}/${what}`, { body });
    expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid', errors: [{ path }] } });
  });
});

test('D4 a rule that sends is made and changed only with a source that is there', async () => {
  const { then, ...rule } = SAMPLES['POST /v1/tenants/{tenant}/rules']!.body as { then: object };
  const body = { then: { ...then, sourceId: COMMAND.sourceId } };
  const answers = await Promise.all([
    api.operator('POST', `/v1/tenants/${slug}/rules`, { body: { ...rule, ...body } }),
    api.operator('PATCH', `/v1/tenants/${slug}/rules/${RULE.id}`, { body }),
  ]);
  for (const answer of answers)
    expect(answer).toMatchObject({ status: 404, body: { code: 'source.not_found' } });
  const made = { name: 'in', provider: 'standard-webhooks' };
  const source = await api.operator('POST', `/v1/tenants/${slug}/sources`, { body: made });
  const good = { ...rule, then: { ...then, sourceId: source.body.id } };
  expect((await api.operator('POST', `/v1/tenants/${slug}/rules`, { body: good })).status).toBe(201);
});
