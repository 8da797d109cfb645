import { parseId } from '@posthorn/clock/id.js';
import type {
  SourceConfig,
  TenantConfig,
  TenantKeywords,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { Webhook } from 'standardwebhooks';
import { clock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
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
  ingress.events.areOptOutsInForce = false;
});
afterAll(async () => {
  closeConnections();
  await ingress.close();
});

let nextNumber = 0;
async function post(text: string, number = ++nextNumber, sourceId = source.id, secret = SECRET) {
  const [id, at, startedMs] = [`msg_${number}`, new Date(clock.nowMs()), clock.monotonicMs()];
  const data = { messageId: `m${number}`, channel: 'sms', from: '+15550002222', to: '+15550001111', text };
  const body = JSON.stringify({ type: 'message.received', data });
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  };
  const { status } = await send(`${ingress.url}/in/acme/${sourceId}`, { headers, body });
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

test('E1 one that is in force with its commit is answered at once, and compliance is not asked', async () => {
  ingress.events.areOptOutsInForce = true;
  ingress.compliance.applyMs = 300;
  const { status, tookMs } = await post('STOP');
  expect(status).toBe(204);
  expect(tookMs).toBeLessThan(300 - TIMER_SLACK_MS);
  // The next one is asked about: a call for the first would have come before it.
  ingress.events.areOptOutsInForce = false;
  await post('STOP');
  const [stored] = ingress.events.stored.slice(-1);
  expect(ingress.compliance.applied).toMatchObject([{ eventId: stored!.events[0]!.eventId }]);
});

test.each(['refuse', 'silent'] as const)(
  'E1 one that is in force with its commit needs no compliance (%s)',
  async (mode) => {
    ingress.events.areOptOutsInForce = true;
    ingress.compliance.mode = mode;
    const { status, tookMs } = await post('STOP');
    expect(status).toBe(204);
    expect(tookMs).toBeLessThan(HOLD_MS - TIMER_SLACK_MS);
  },
);

test('E1 a copy is held even where its event is said to be in force: it is about another one', async () => {
  const number = ++nextNumber;
  ingress.events.areOptOutsInForce = true;
  await post('STOP', number);
  const { tookMs } = await post('STOP', number);
  expect(tookMs).toBeGreaterThanOrEqual(HOLD_MS - TIMER_SLACK_MS);
});

test('E1 the same opt-out again: its event is another one, so it is held and not applied twice', async () => {
  const number = ++nextNumber;
  await post('STOP', number);
  const { status, tookMs } = await post('STOP', number);
  expect(status).toBe(204);
  expect(tookMs).toBeGreaterThanOrEqual(HOLD_MS - TIMER_SLACK_MS);
  expect(ingress.compliance.applied).toHaveLength(1);
});

/** What the tenant has beside the usual keywords from now on. */
async function setWords(words: Partial<TenantKeywords>): Promise<void> {
  const keywords = { optOut: [], optIn: [], help: [], ...words };
  ingress.tenants.push({ tenants: [{ ...tenant, keywords }] });
  await ingress.tenants.confirmed();
}
const lastSignal = () => ingress.events.stored.at(-1)!.events[0]!.attributes!.signal;

test("E1 a word of the tenant's own is an opt-out from the change on, and is answered when compliance has it in force", async () => {
  expect((await post('Lopeta!')).status).toBe(204);
  expect([lastSignal(), ingress.compliance.applied]).toEqual(['', []]);
  await setWords({ optOut: ['lopeta'], optIn: ['aloita'], help: ['apua'] });
  ingress.compliance.applyMs = 150;
  const { status, tookMs } = await post('Lopeta!');
  expect(status).toBe(204);
  expect(tookMs).toBeGreaterThanOrEqual(150 - TIMER_SLACK_MS);
  expect(lastSignal()).toBe('opt_out');
  const [event] = ingress.events.stored.at(-1)!.events;
  expect(ingress.compliance.applied).toMatchObject([{ eventId: event!.eventId, signal: 'opt_out' }]);
  await setWords({});
  await post('Lopeta!');
  expect([lastSignal(), ingress.compliance.applied.length]).toEqual(['', 1]);
});

test("E1 a word of the tenant's own is held like a STOP when compliance does not apply it", async () => {
  await setWords({ optOut: ['lopeta'] });
  ingress.compliance.mode = 'refuse';
  const { status, tookMs } = await post('lopeta');
  expect(status).toBe(204);
  expect(tookMs).toBeGreaterThanOrEqual(HOLD_MS - TIMER_SLACK_MS);
  expect(lastSignal()).toBe('opt_out');
});

test("E1 no word of a tenant takes a usual keyword's meaning, whatever the configuration says", async () => {
  await setWords({ optIn: ['stop', 'aloita'], help: ['unsubscribe', 'apua'], optOut: ['start'] });
  const signals: string[] = [];
  for (const text of ['STOP', 'unsubscribe', 'START', 'Aloita', 'apua?', 'lopeta jo']) {
    expect((await post(text)).status).toBe(204);
    signals.push(lastSignal());
  }
  expect(signals).toEqual(['opt_out', 'opt_out', 'opt_in', 'opt_in', 'help', '']);
  expect(ingress.compliance.applied).toHaveLength(2);
});

test('E1 a forged opt-in by a word of the tenant says nothing', async () => {
  await setWords({ optIn: ['aloita'], optOut: ['lopeta'] });
  const monitored = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, {
    verification: 'monitor',
  });
  await ingress.tenants.confirmed();
  const forge = async (text: string): Promise<string> => {
    expect((await post(text, ++nextNumber, monitored.id, OTHER_SECRET)).status).toBe(204);
    return lastSignal();
  };
  expect([await forge('aloita'), await forge('lopeta')]).toEqual(['', 'opt_out']);
});

test("E1 a word of the tenant's own counts in a message that its source's schema does not know", async () => {
  await setWords({ optOut: ['lopeta'] });
  const odd = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, {
    jsonSchema: { type: 'object', required: ['nothing-has-this'] },
  });
  await ingress.tenants.confirmed();
  expect((await post('lopeta', ++nextNumber, odd.id)).status).toBe(204);
  expect(ingress.events.stored.at(-1)!.events[0]!.type).toBe('event.unrecognized');
  expect(lastSignal()).toBe('opt_out');
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
