import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { type Behaviour, Sink } from './sink.js';

const SECRET = `whsec_${randomBytes(32).toString('base64')}`;

async function withSink(behaviour: Behaviour, work: (sink: Sink) => Promise<void>): Promise<void> {
  const sink = await Sink.start();
  sink.configure('d', { secrets: [SECRET], behaviour });
  try {
    await work(sink);
  } finally {
    await sink.stop();
  }
}

async function deliver(
  sink: Sink,
  id: string,
  secret = SECRET,
  timeoutMs = 2_000,
): Promise<Response | undefined> {
  const now = new Date();
  const data = { eventId: 'evt_1', providerMessageId: 'SM1' };
  const body = JSON.stringify({ type: 'message.sent', timestamp: now.toISOString(), tenant: 'a', data });
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, now, body),
  };
  const signal = AbortSignal.timeout(timeoutMs);
  return fetch(sink.url('d'), { method: 'POST', headers, body, signal }).catch(() => undefined);
}

test('records what came, and whether the signature holds', async () => {
  await withSink({ kind: 'ok' }, async (sink) => {
    await deliver(sink, 'fct_1');
    await deliver(sink, 'fct_2', `whsec_${randomBytes(32).toString('base64')}`);
    expect(sink.receipts).toMatchObject([
      { order: 0, destination: 'd', webhookId: 'fct_1', type: 'message.sent', tenant: 'a', eventId: 'evt_1' },
      { order: 1, webhookId: 'fct_2', isSigned: false, status: 204, providerMessageId: 'SM1' },
    ]);
    expect(sink.receipts[0]!.isSigned).toBe(true);
  });
});

test('fails n times per webhook ID, with Retry-After', async () => {
  await withSink({ kind: 'fail', status: 429, times: 2, retryAfterSeconds: 3 }, async (sink) => {
    const answers = [];
    for (let at = 0; at < 3; at++) answers.push(await deliver(sink, 'fct_1'));
    expect(answers.map((answer) => answer?.status)).toEqual([429, 429, 204]);
    expect(answers[0]!.headers.get('retry-after')).toBe('3');
    expect(sink.accepted).toBe(1);
  });
});

test('flaky: the chosen share fails once, the rest never', async () => {
  await withSink({ kind: 'flaky', status: 500, share: 0.3 }, async (sink) => {
    for (let at = 0; at < 100; at++) await deliver(sink, `fct_${at}`);
    const failed = sink.receipts.filter(({ status }) => status === 500);
    expect(failed.length).toBeGreaterThan(15);
    expect(failed.length).toBeLessThan(45);
    for (const { webhookId } of failed) expect((await deliver(sink, webhookId))?.status).toBe(204);
  });
});

test('hangs, and slows down', async () => {
  await withSink({ kind: 'hang' }, async (sink) => {
    expect(await deliver(sink, 'fct_1', SECRET, 100)).toBeUndefined();
    expect(sink.receipts).toMatchObject([{ status: 0 }]);
    sink.configure('d', { behaviour: { kind: 'slow', delayMs: 60 } });
    const before = performance.now();
    expect((await deliver(sink, 'fct_2'))?.status).toBe(204);
    expect(performance.now() - before).toBeGreaterThanOrEqual(59);
  });
});
