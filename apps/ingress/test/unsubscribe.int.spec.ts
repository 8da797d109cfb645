import { parseId } from '@posthorn/clock/id.js';
import type { TenantConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { RawRequest } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { type Unsubscribe, unsubscribeToken } from '@posthorn/crypto/unsubscribe-token.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { clock, MovedClock, startIngress, type TestIngress, weekOf } from './far-ends.js';
import { type Answer, closeConnections, send } from './http.js';

const ONE_CLICK = 'List-Unsubscribe=One-Click';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const HOLD_MS = 500;
const TIMER_SLACK_MS = 5;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const NO_SOURCE = Buffer.alloc(16);

const time = new MovedClock();
let ingress: TestIngress;
let tenant: TenantConfig;

beforeAll(async () => {
  // In the middle of a minute: no test is to meet its end by chance.
  const startMs = Math.floor(clock.nowMs() / MINUTE_MS) * MINUTE_MS + MINUTE_MS / 4;
  time.set(startMs);
  ingress = await startIngress({}, time);
  tenant = ingress.tenants.addTenant('acme');
  await eventually(async () => expect((await send(urlOf(), { method: 'GET' })).status).toBe(200));
  await eventually(async () => expect((await post(urlOf())).status).toBe(200));
});
beforeEach(() => {
  ingress.events.stored.length = 0;
  ingress.compliance.applied.length = 0;
  ingress.compliance.mode = 'apply';
  ingress.compliance.applyMs = 0;
  ingress.events.mode = 'store';
});
afterAll(async () => {
  closeConnections();
  await ingress.close();
});

let links = 0;
/** What the link of another message says. */
const madeOf = (over: Partial<Unsubscribe> = {}): Unsubscribe => ({
  ...{ tenantId: parseId('ten', tenant.id)!, messageId: Buffer.alloc(16, (links += 1)) },
  ...{ personHash: Buffer.alloc(16, 7), channel: 'email', program: 'news' },
  ...over,
});
const urlFor = (made: Unsubscribe, { hashKey } = tenant): string =>
  `${ingress.url}/u/${unsubscribeToken(hashKey, made)}`;
const urlOf = (over: Partial<Unsubscribe> = {}): string => urlFor(madeOf(over));
const post = (url: string, body = ONE_CLICK, headers: Record<string, string> = FORM): Promise<Answer> =>
  send(url, { headers, body });

test('E1 one POST takes the person off the list of that mail: stored, and in force before the 200', async () => {
  ingress.compliance.applyMs = 150;
  const made = madeOf();
  const startedMs = clock.monotonicMs();
  const answer = await post(urlFor(made));
  expect(clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(150 - TIMER_SLACK_MS);
  expect(answer.status).toBe(200);
  expect(answer.headers).not.toHaveProperty('set-cookie');
  expect(answer.headers).not.toHaveProperty('location');
  const [stored] = ingress.events.stored;
  expect(stored).toMatchObject({ tenantId: made.tenantId, sourceId: NO_SOURCE, provider: 'ingress' });
  const [event] = stored!.events;
  expect(event).toMatchObject({
    ...{ type: 'person.unsubscribed', personHash: made.personHash },
    attributes: { signal: 'opt_out', channel: 'email', program: 'news', messageId: made.messageId },
  });
  expect(ingress.compliance.applied).toMatchObject([
    {
      ...{ tenantId: made.tenantId, eventId: event!.eventId, personHash: made.personHash },
      ...{ channel: 'email', program: 'news', signal: 'opt_out', provider: 'ingress' },
    },
  ]);
});

test('A6 what was posted is kept with it, encrypted', async () => {
  const url = urlOf();
  await post(url, ONE_CLICK, { ...FORM, 'user-agent': 'Mail program' });
  const [{ requestId, tenantId, dataKeyId, raw }] = ingress.events.stored as [
    (typeof ingress.events.stored)[0],
  ];
  const box = new SealedBox(dataKeyId, tenant.dataKeys[0]!.key);
  const request = RawRequest.decode(box.open(raw, sealAad('raw', tenantId, requestId)));
  expect(request).toMatchObject({ method: 'POST', target: url.slice(ingress.url.length) });
  expect(request.headers).toContain('Mail program');
  expect(request.body.toString()).toBe(ONE_CLICK);
});

test('E1 the form of our page, and a mail program that posts multipart, do the same', async () => {
  const page = await send(urlOf(), { method: 'GET' });
  const [, name, value] = /<input type="hidden" name="([^"]+)" value="([^"]+)">/.exec(page.body)!;
  expect(page.body).toMatch(/<form method="post">/);
  const answers = [
    await post(urlOf(), new URLSearchParams({ [name!]: value! }).toString()),
    await post(
      urlOf(),
      '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
      { 'content-type': 'multipart/form-data; boundary=b' },
    ),
    await send(urlOf(), { chunks: [Buffer.from('List-Unsub'), Buffer.from('scribe=One-Click')] }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(answers[0]!.body).toMatch(/<h1>You are unsubscribed<\/h1>/);
  expect(ingress.compliance.applied).toHaveLength(3);
});

test('E1 a GET shows a page that needs no script and is kept nowhere, and changes nothing', async () => {
  // Would break: programs that look at links would unsubscribe everybody.
  const url = urlOf();
  for (const method of ['GET', 'HEAD', 'GET']) {
    const { status, headers, body } = await send(url, { method });
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      ...{ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
      ...{ 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff' },
    });
    expect(headers['content-security-policy']).toMatch(/default-src 'none'; form-action 'self'/);
    expect(headers).not.toHaveProperty('set-cookie');
    if (method === 'HEAD') continue;
    expect(body).toMatch(/<html lang="en">[\s\S]*<h1>Unsubscribe<\/h1>[\s\S]*<button type="submit">/);
    expect(body).not.toMatch(/<script|style=|http/);
  }
  expect(await send(`${url}?List-Unsubscribe=One-Click`, { method: 'GET' })).toMatchObject({ status: 200 });
  expect(ingress.events.stored).toEqual([]);
});

test('B5 anything that is no link of ours gets one and the same 404, whatever is wrong with it', async () => {
  const other = ingress.tenants.addTenant('other');
  const url = urlOf();
  const [before, last] = [url.slice(0, -1), url.slice(-1)];
  const wrong = [
    `${before}${last === 'A' ? 'B' : 'A'}`,
    before,
    `${url}A`,
    urlFor(madeOf(), other), // of one tenant, signed with the key of another
    urlOf({ tenantId: Buffer.alloc(16, 9) }),
    `${ingress.url}/u/nothing`,
    `${ingress.url}/u/${'A'.repeat(255)}`,
    `${ingress.url}/u/${'A'.repeat(2_000)}`,
    `${ingress.url}/u/%00%20`,
    `${ingress.url}/u/`,
    `${ingress.url}/elsewhere`,
  ];
  const bodies = new Set<string>();
  for (const each of wrong)
    for (const answer of [
      await post(each),
      await post(each, 'nothing'),
      await send(each, { method: 'GET' }),
    ]) {
      expect([each, answer.status]).toEqual([each, 404]);
      bodies.add(answer.body);
    }
  expect(bodies.size).toBe(1);
  expect(ingress.events.stored).toEqual([]);
});

test('E1 a body that does not ask for it, or is too long, takes nobody off', async () => {
  const url = urlOf();
  for (const body of ['', 'List-Unsubscribe=No', '{}'])
    expect(await post(url, body)).toMatchObject({ status: 400 });
  expect(await post(url, `${ONE_CLICK}&${'x'.repeat(4_096)}`)).toMatchObject({ status: 413 });
  expect(ingress.events.stored).toEqual([]);
  for (const method of ['PUT', 'DELETE']) expect((await send(url, { method })).status).toBe(405);
});

test('C1 the same link again is the same event for a minute; later it is one that undoes an opt-in', async () => {
  const url = urlOf();
  const nowMs = time.nowMs();
  await post(url);
  const startedMs = clock.monotonicMs();
  expect((await post(url)).status).toBe(200);
  // Its event is another one, which may not be in force yet.
  expect(clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(HOLD_MS - TIMER_SLACK_MS);
  expect(ingress.events.stored).toHaveLength(1);
  expect(ingress.compliance.applied).toHaveLength(1);
  time.set(nowMs + MINUTE_MS);
  expect((await post(url)).status).toBe(200);
  expect(ingress.events.stored).toHaveLength(2);
  expect(ingress.compliance.applied).toHaveLength(2);
});

test('E1 a link works as long as its tenant is there, long after the data key of its week is gone', async () => {
  const url = urlOf();
  const nowMs = time.nowMs() + 500 * DAY_MS;
  const later = { id: Buffer.alloc(16, 3), key: Buffer.alloc(32, 3), weekStartDay: weekOf(nowMs) };
  tenant.dataKeys.splice(0, 1, later);
  ingress.tenants.push({ tenants: [tenant] });
  time.set(nowMs);
  await eventually(async () => expect((await post(url)).status).toBe(200));
  expect(ingress.compliance.applied).toHaveLength(1);
  ingress.tenants.push({ tenants: [{ ...tenant, status: 'suspended', sendsPaused: true }] });
  expect((await post(urlOf())).status).toBe(200);
});

test('A4 nobody hears 200 for what is not stored; when compliance is silent the 200 waits', async () => {
  ingress.events.mode = 'unavailable';
  const refused = await post(urlOf());
  expect(refused.status).toBe(503);
  expect(refused.headers['retry-after']).toBeDefined();
  ingress.events.mode = 'store';
  ingress.compliance.mode = 'silent';
  const startedMs = clock.monotonicMs();
  expect((await post(urlOf())).status).toBe(200);
  expect(clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(HOLD_MS - TIMER_SLACK_MS);
});
