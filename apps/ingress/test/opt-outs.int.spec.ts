import { parseId } from '@posthorn/clock/id.js';
import type { SourceConfig, TenantConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { Webhook } from 'standardwebhooks';
import { clock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const HOLD_MS = 500;
const ANSWER_MS_MAX = 2_000;
/** Timers fire a little early by the clock that measures them. */
const TIMER_SLACK_MS = 5;

let ingress: TestIngress;
let tenant: TenantConfig;
let source: SourceConfig;

beforeAll(async () => {
  ingress = await startIngress();
  tenant = ingress.tenants.addTenant('acme');
  source = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET);
  await eventually(async () => expect((await post('hello')).status).toBe(204));
});
beforeEach(() => {
  ingress.compliance.applied.length = 0;
  ingress.compliance.mode = 'apply';
  ingress.compliance.applyMs = 0;
});
afterAll(async () => {
  closeConnections();
  await ingress.close();
});

let nextNumber = 0;
async function post(text: string, number = ++nextNumber) {
  const [id, at, startedMs] = [`msg_${number}`, new Date(clock.nowMs()), clock.monotonicMs()];
  const data = { messageId: `m${number}`, channel: 'sms', from: '+15550002222', to: '+15550001111', text };
  const body = JSON.stringify({ type: 'message.received', data });
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, at, body),
  };
  const { status } = await send(`${ingress.url}/in/acme/${source.id}`, { headers, body });
  return { status, tookMs: clock.monotonicMs() - startedMs };
}

test('E1 an opt-out is answered after compliance has it in force, and compliance is told which event it was', async () => {
  ingress.compliance.applyMs = 150;
  const { status, tookMs } = await post('Stop.');
  expect(status).toBe(204);
  expect(tookMs).toBeGreaterThanOrEqual(150 - TIMER_SLACK_MS);
  expect(tookMs).toBeLessThan(HOLD_MS);
  const [stored] = ingress.events.stored.slice(-1);
  expect(ingress.compliance.applied).toMatchObject([
    {
      tenantId: parseId('ten', tenant.id),
      eventId: stored!.events[0]!.eventId,
      personHash: stored!.events[0]!.personHash,
      ...{ channel: 'sms', signal: 'opt_out', provider: 'standard-webhooks' },
    },
  ]);
});

test.each(['refuse', 'silent'] as const)(
  'E1 compliance is there but does not apply it (%s): the answer is held until no older permit can be valid',
  async (mode) => {
    ingress.compliance.mode = mode;
    const { status, tookMs } = await post('STOP');
    expect(status).toBe(204);
    expect(tookMs).toBeGreaterThanOrEqual(HOLD_MS - TIMER_SLACK_MS);
    expect(tookMs).toBeLessThan(ANSWER_MS_MAX);
  },
);

test('E1 compliance is down: the opt-out is held, other requests do not notice', async () => {
  ingress.compliance.end.stop();
  try {
    const [optOut, other] = await Promise.all([post('STOP'), post('see you at 8')]);
    expect([optOut.status, other.status]).toEqual([204, 204]);
    expect(optOut.tookMs).toBeGreaterThanOrEqual(HOLD_MS - TIMER_SLACK_MS);
    expect(other.tookMs).toBeLessThan(HOLD_MS / 2);
  } finally {
    await ingress.compliance.end.start();
    // Until the connection is up again every opt-out is held.
    await eventually(
      async () => {
        await post('STOP');
        expect(ingress.compliance.applied).not.toEqual([]);
      },
      { timeoutMs: 10_000 },
    );
  }
});

test('E1 the same opt-out again: its event is another one, so it is held and not applied twice', async () => {
  const number = ++nextNumber;
  await post('STOP', number);
  const { status, tookMs } = await post('STOP', number);
  expect(status).toBe(204);
  expect(tookMs).toBeGreaterThanOrEqual(HOLD_MS - TIMER_SLACK_MS);
  expect(ingress.compliance.applied).toHaveLength(1);
});

test('A1 what is no opt-out asks nobody', async () => {
  for (const text of ['please stop texting me', 'START', 'HELP', 'yes', '']) {
    expect((await post(text)).status).toBe(204);
  }
  expect(ingress.compliance.applied).toEqual([]);
});

test('E1 opt-outs that come together share calls, and each has its answer', async () => {
  ingress.compliance.applyMs = 20;
  const answers = await Promise.all(Array.from({ length: 200 }, () => post('unsubscribe')));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
  expect(ingress.compliance.applied).toHaveLength(200);
  expect(await ingress.metrics()).toMatch(/posthorn_intake_opt_outs_total\{outcome="applied"\} 20\d\n/);
});
