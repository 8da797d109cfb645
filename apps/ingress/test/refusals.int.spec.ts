import { parseId } from '@posthorn/clock/id.js';
import { RawRequest } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { SourceConfig, TenantConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { Webhook } from 'standardwebhooks';
import { SETTLED } from '../src/clients/refusal.client.js';
import { clock, MovedClock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send, type Answer } from './http.js';

const secretOf = (byte: number): string => `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
const [RIGHT, WRONG] = [secretOf(7), secretOf(9)];
const HOUR_MS = 3_600_000;
const JUDGED_WITHIN = { timeoutMs: 15_000 };

const moved = new MovedClock();
let ingress: TestIngress;
let tenant: TenantConfig;
let source: SourceConfig;
let nextNumber = 0;

beforeEach(async () => {
  moved.set(clock.nowMs());
  ingress = await startIngress({}, moved);
  tenant = ingress.tenants.addTenant('acme');
  source = ingress.tenants.addSource(tenant, 'standard-webhooks', WRONG);
  await eventually(async () => expect((await send(ingress.url + pathOf(source))).status).toBe(401));
  await eventually(() => expect(ingress.events.refusals.kept.length).toBeGreaterThan(0));
  ingress.events.refusals.kept = [];
});
afterEach(async () => {
  closeConnections();
  await ingress.close();
});

const pathOf = ({ id }: SourceConfig): string => `/in/acme/${id}`;

/** As the provider sends it: with the right secret, whatever we have been told. */
function post(to = source): Promise<Answer> {
  const number = ++nextNumber;
  const [id, at] = [`msg_${number}`, new Date(moved.nowMs())];
  const body = JSON.stringify({
    type: 'message.sent',
    data: { messageId: `m${number}`, to: '+15550001111' },
  });
  const headers = {
    ...{ 'content-type': 'application/json', 'webhook-id': id },
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(RIGHT).sign(id, at, body),
    traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`,
  };
  return send(ingress.url + pathOf(to), { headers, body });
}

const fixSecret = (value = RIGHT): void => {
  const secrets = [{ ...source.secrets[0]!, value }];
  ingress.tenants.push({ sources: [{ ...source, secrets }] });
};
const storedMessages = (): string[] =>
  ingress.events.stored.flatMap(({ events }) =>
    events.map(({ attributes }) => attributes!.providerMessageId),
  );

test('A10 50 requests refused under a wrong secret, then the right one and one call: 50 events, in order, nothing twice', async () => {
  const { refusals } = ingress.events;
  const [first, startedMs] = [nextNumber + 1, moved.nowMs()];
  for (let sent = 0; sent < 50; sent++) expect((await post()).status).toBe(403);
  await eventually(() => expect(refusals.kept).toHaveLength(50));
  const times = refusals.kept.map(({ receivedAtMs }) => receivedAtMs);
  expect(ingress.events.stored).toHaveLength(0);

  // An hour later the signed times are long stale; they were fresh when they came.
  moved.set(moved.nowMs() + HOUR_MS);
  fixSecret();
  refusals.judgeAgain();
  await eventually(() => expect(refusals.settled).toHaveLength(50), JUDGED_WITHIN);
  expect(new Set(refusals.settled.map(({ outcome }) => outcome))).toEqual(new Set([SETTLED.admitted]));
  expect(storedMessages()).toEqual(Array.from({ length: 50 }, (_, index) => `m${first + index}`));
  expect(ingress.events.stored.map(({ receivedAtMs }) => receivedAtMs)).toEqual(times);
  for (const time of times) expect(time).toBeLessThan(startedMs + HOUR_MS);
  expect(ingress.events.stored[0]!.secretId).toEqual(parseId('sec', source.secrets[0]!.id));
  expect(ingress.events.stored[0]!.traceparent).toContain('ab'.repeat(16));
  expect(ingress.events.batchSizes.reduce((sum, size) => sum + size, 0)).toBe(50);
}, 30_000);

test('A10 B6 what is kept can be read with the tenant’s key only, and shows no secret and nobody', async () => {
  const answer = await post();
  const { refusals } = ingress.events;
  await eventually(() => expect(refusals.kept).toHaveLength(1));
  const [kept] = refusals.kept;
  expect(kept).toMatchObject({
    ...{ tenantId: parseId('ten', tenant.id), sourceId: parseId('src', source.id) },
    ...{ provider: 'standard-webhooks', cause: 'signature.mismatch' },
  });
  expect(answer.status).toBe(403);
  const shown = Object.fromEntries(
    kept!.headers.flatMap((each, index) => (index % 2 === 0 ? [[each, kept!.headers[index + 1]]] : [])),
  );
  expect(shown).toMatchObject({ 'content-type': 'application/json', 'webhook-signature': '', host: '' });
  const lean = JSON.stringify({ ...kept, raw: '' });
  for (const word of ['v1,', '5550001111']) expect(lean).not.toContain(word);
  const { id, key } = tenant.dataKeys[0]!;
  const raw = new SealedBox(id, key).open(kept!.raw, sealAad('raw', kept!.tenantId, kept!.requestId));
  expect(RawRequest.decode(raw)).toMatchObject({
    ...{ method: 'POST', target: pathOf(source), remoteAddress: '127.0.0.1', isEncrypted: false },
  });
  expect(raw.toString('latin1')).toContain('5550001111');
});

test('A10 what is still not authentic stays refused, with its cause', async () => {
  await post();
  const { refusals } = ingress.events;
  await eventually(() => expect(refusals.kept).toHaveLength(1));
  fixSecret(secretOf(11));
  refusals.judgeAgain();
  await eventually(
    () =>
      expect(refusals.settled).toMatchObject([
        { outcome: SETTLED.stillRefused, cause: 'signature.mismatch' },
      ]),
    JUDGED_WITHIN,
  );
  // Judged again, and not kept again: that would let it live for ever.
  expect(refusals.kept).toHaveLength(1);
  expect(ingress.events.stored).toHaveLength(0);
}, 30_000);

test('A4 A10 a store that is away postpones the rest of a source; nothing overtakes, nothing is lost', async () => {
  const { refusals } = ingress.events;
  const first = nextNumber + 1;
  for (let sent = 0; sent < 3; sent++) await post();
  await eventually(() => expect(refusals.kept).toHaveLength(3));
  fixSecret();
  ingress.events.mode = 'unavailable';
  refusals.judgeAgain();
  await eventually(() => expect(refusals.settled.length).toBeGreaterThanOrEqual(3), JUDGED_WITHIN);
  expect(new Set(refusals.settled.map(({ outcome }) => outcome))).toEqual(new Set([SETTLED.postponed]));
  ingress.events.mode = 'store';
  await eventually(() => expect(storedMessages()).toHaveLength(3), JUDGED_WITHIN);
  expect(storedMessages()).toEqual([0, 1, 2].map((index) => `m${first + index}`));
}, 60_000);

test('A10 while the log is away refusals wait, and are kept in their order when it is back', async () => {
  const { refusals } = ingress.events;
  refusals.isDown = true;
  const startedMs = performance.now();
  for (let sent = 0; sent < 5; sent++) expect((await post()).status).toBe(403);
  // No answer waited for it.
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  refusals.isDown = false;
  await eventually(() => expect(refusals.kept).toHaveLength(5), JUDGED_WITHIN);
  const times = refusals.kept.map(({ receivedAtMs }) => receivedAtMs);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
}, 30_000);

test('A10 I8 a flood of refusals is kept in part: the rest is counted and gone', async () => {
  const answers = await Promise.all(Array.from({ length: 600 }, () => post()));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([403]));
  await eventually(async () =>
    expect(await ingress.metrics()).toMatch(/refusals_total\{outcome="dropped"\} \d/),
  );
  expect(ingress.events.refusals.kept.length).toBeGreaterThan(100);
  expect(ingress.events.refusals.kept.length).toBeLessThan(600);
}, 30_000);
