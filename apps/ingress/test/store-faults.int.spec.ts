import type { SourceConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { Webhook } from 'standardwebhooks';
import { clock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send, type Answer } from './http.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const ANSWER_MS_MAX = 2_000;

let ingress: TestIngress;
let source: SourceConfig;

const open = async (overrides: Parameters<typeof startIngress>[0] = {}): Promise<void> => {
  ingress = await startIngress(overrides);
  const tenant = ingress.tenants.addTenant('acme');
  source = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET);
  await eventually(async () => expect((await readiness()).status).toBe(200));
  await eventually(async () => expect((await post()).status).toBe(204));
};
const readiness = () => send(`${ingress.url}/health/ready`, { method: 'GET' });

afterEach(async () => {
  closeConnections();
  await ingress.close();
});

let nextNumber = 0;
function post(text = ''): Promise<Answer & { readonly tookMs: number }> {
  const [id, at, startedMs] = [`msg_${++nextNumber}`, new Date(clock.nowMs()), clock.monotonicMs()];
  const body = JSON.stringify({ type: 'message.sent', data: { messageId: `m${nextNumber}`, text } });
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, at, body),
  };
  return send(`${ingress.url}/in/acme/${source.id}`, { headers, body }).then((answer) => ({
    ...answer,
    tookMs: clock.monotonicMs() - startedMs,
  }));
}
const isAskedToRetry = (answer: Answer & { tookMs: number }, ...codes: string[]): void => {
  expect(answer.status).toBe(503);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  expect(codes).toContain((JSON.parse(answer.body) as { code: string }).code);
  expect(answer.tookMs).toBeLessThan(ANSWER_MS_MAX);
};

test('A4 the store is down: 503 with Retry-After within 2 s, not ready; it comes back by itself', async () => {
  await open();
  ingress.events.end.stop();
  const answers = await Promise.all([post(), post(), post()]);
  for (const answer of answers) isAskedToRetry(answer, 'store.unavailable', 'service.deadline');
  await eventually(async () => {
    const { status, body } = await readiness();
    expect(status).toBe(503);
    expect(body).toContain('no stream to the event log');
  });
  const stored = ingress.events.stored.length;
  await ingress.events.end.start();
  await eventually(async () => expect((await post()).status).toBe(204), { timeoutMs: 10_000 });
  expect(ingress.events.stored.length).toBeGreaterThan(stored);
});

test('A4 the store does not answer, or says that it could not commit: never 2xx', async () => {
  await open();
  ingress.events.mode = 'unavailable';
  isAskedToRetry(await post(), 'store.unavailable');
  ingress.events.mode = 'silent';
  isAskedToRetry(await post(), 'service.deadline');
  ingress.events.mode = 'store';
  await eventually(async () => expect((await post()).status).toBe(204), { timeoutMs: 10_000 });
});

test('A4 more than can wait is refused at once, the rest within the deadline', async () => {
  await open();
  ingress.events.mode = 'silent';
  // Large ones: on a slow machine the bytes that may wait are reached before the first deadline, their number is not.
  const text = 'x'.repeat(200_000);
  const answers = await Promise.all(Array.from({ length: 100 }, () => post(text).catch(() => undefined)));
  const known = answers.filter((answer) => answer !== undefined);
  expect(known.every(({ status }) => status === 503)).toBe(true);
  const codes = known.map(({ body }) => (JSON.parse(body) as { code: string }).code);
  expect(new Set(codes)).toEqual(new Set(['store.overloaded', 'service.deadline']));
  expect(Math.max(...ingress.events.batchSizes)).toBeLessThanOrEqual(256);
  expect(await ingress.metrics()).toMatch(/posthorn_intake_in_flight_requests 0\n/);
}, 60_000);

test('A3 requests that arrive together share a transaction', async () => {
  await open();
  ingress.events.commitMs = 20;
  const answers = await Promise.all(Array.from({ length: 400 }, () => post()));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
  expect(Math.max(...ingress.events.batchSizes)).toBeGreaterThan(4);
});

test('B10 a tenant over its quota is told when to come back; its neighbour is not touched', async () => {
  await open({ intakeRatePerSecond: 1, intakeBurst: 40 });
  const answers = await Promise.all(Array.from({ length: 60 }, () => post()));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThanOrEqual(20);
  expect(JSON.parse(refused[0]!.body)).toMatchObject({ code: 'quota.exceeded' });
  expect(Number(refused[0]!.headers['retry-after'])).toBeGreaterThan(0);
});

test('A1 the tenants service is down: intake goes on with what it knows', async () => {
  await open();
  ingress.tenants.end.stop();
  for (let sent = 0; sent < 5; sent++) expect((await post()).status).toBe(204);
  expect((await readiness()).status).toBe(200);
});
