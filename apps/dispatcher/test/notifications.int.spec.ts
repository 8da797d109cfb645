import type { AddressInfo } from 'node:net';
import { SystemClock } from '@posthorn/clock/clock.js';
import type { NotificationToSend } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import { EgressClient } from '@posthorn/egress/egress-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { SMTPServer } from 'smtp-server';
import { Webhook } from 'standardwebhooks';
import { NotificationRoutes, RunNotifications } from '../src/application/run-notifications.js';
import { MailRelay } from '../src/clients/mail-relay.js';
import { Sink } from './sink.fixture.js';

const clock = new SystemClock();
const secret = generateSigningSecret();

let sink: Sink;
let smtp: SMTPServer;
let smtpUrl: string;
let refusesMail: boolean;
let mails: { to: string; text: string }[];
let due: NotificationToSend[];
let settled: { id: string; attempt: number; delivered: boolean; detail: string }[];
let closers: (() => unknown)[];
beforeEach(async () => {
  [mails, due, settled, closers, refusesMail] = [[], [], [], [], false];
  sink = new Sink();
  await sink.start();
  smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onAuth: ({ username, password }, _session, done) =>
      done(username === 'us' && password === 'pw' ? null : new Error('no'), { user: username }),
    onRcptTo: ({ address }, _session, done) =>
      done(refusesMail ? Object.assign(new Error(`no ${address}`), { responseCode: 550 }) : null),
    onData: (stream, session, done) => {
      let text = '';
      stream.on('data', (chunk) => (text += String(chunk)));
      stream.on('end', () => {
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address).join(), text });
        done(null);
      });
    },
  });
  await new Promise<void>((done) => smtp.listen(0, '127.0.0.1', done));
  smtpUrl = `smtp://us:pw@127.0.0.1:${(smtp.server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const close of closers) await close();
  await new Promise<void>((done) => smtp.close(done));
  await sink.stop();
});

/** A process, with tenants played: it hands out what is due, and keeps what it is told. */
function start({ relayUrl = smtpUrl, allowLoopback = true } = {}): RunNotifications {
  const { log, metrics } = testProcess('dispatcher');
  const relay = new MailRelay(relayUrl, 'posthorn@platform.example');
  const egress = new EgressClient(clock, { allowLoopback });
  const tenants = {
    claimNotifications: (limit: number, _lease: number, channels: string[]) => {
      const claimed = due.filter(({ channel }) => channels.includes(channel)).slice(0, limit);
      due = due.filter((each) => !claimed.includes(each));
      return Promise.resolve(claimed);
    },
    settleNotification: (
      { id, attempt }: NotificationToSend,
      told: { delivered: boolean; detail: string },
    ) => {
      settled.push({ id, attempt, ...told });
      return Promise.resolve();
    },
  };
  const run = new RunNotifications(
    ...([
      tenants,
      new NotificationRoutes(relay),
      egress,
      relay,
      { text: 'Posthorn/test' },
      clock,
      log,
    ] as const),
    ...([metrics, 20] as const),
  );
  run.onApplicationBootstrap();
  closers.push(
    () => run.beforeApplicationShutdown(),
    () => relay.onApplicationShutdown(),
    () => egress.onApplicationShutdown(),
  );
  return run;
}
const notification = (fields: Partial<NotificationToSend>): NotificationToSend => ({
  ...{ id: 'ntf_1', tenantId: 'ten_1', tenantSlug: 'acme', kind: 'destination.disabled', channel: 'webhook' },
  ...{ address: `${sink.url}/told`, secret, createdAtMs: 1_700_000_000_000, attempt: 1 },
  dataJson: JSON.stringify({ destinationId: 'dst_1', name: 'crm\r\nBcc: x@y.z', reason: 'gone' }),
  ...fields,
});

test('F4 F6 a webhook is told what happened, signed so that the reference library accepts it', async () => {
  start();
  due.push(notification({}));
  await eventually(() =>
    expect(settled).toEqual([{ id: 'ntf_1', attempt: 1, delivered: true, detail: 'HTTP 204' }]),
  );
  const [{ headers, body }] = sink.received as [(typeof sink.received)[0]];
  expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({
    ...{ type: 'destination.disabled', tenant: 'acme', timestamp: '2023-11-14T22:13:20.000Z' },
    data: { destinationId: 'dst_1', reason: 'gone' },
  });
  expect(headers['webhook-id']).toBe('ntf_1');
});

test('F4 a webhook that fails is said to have failed', async () => {
  start();
  sink.answer = () => ({ status: 503 });
  due.push(notification({ attempt: 4 }));
  await eventually(() =>
    expect(settled).toEqual([{ id: 'ntf_1', attempt: 4, delivered: false, detail: 'HTTP 503' }]),
  );
});

test('F6 a notification goes to no address of our own network', async () => {
  start({ allowLoopback: false });
  due.push(notification({}));
  await eventually(() => expect(settled).toMatchObject([{ delivered: false, detail: 'blocked_address' }]));
  expect(sink.received).toEqual([]);
});

test('F4 a mail goes through the relay; what a tenant named writes no header and no line of its own', async () => {
  start();
  due.push(notification({ channel: 'email', address: 'ops@acme.example', secret: '' }));
  await eventually(() => expect(settled).toMatchObject([{ delivered: true }]));
  expect(mails).toHaveLength(1);
  const { to, text } = mails[0]!;
  expect(to).toBe('ops@acme.example');
  expect(text).toContain('Subject: [acme] A destination was disabled');
  expect(text).toContain('From: posthorn@platform.example');
  expect(text).toContain('Message-ID: <ntf_1@posthorn.notifications>');
  expect(text).toContain('destinationId: dst_1');
  expect(text).not.toMatch(/^Bcc:/m);
});

test('A10 a mail about a source that fails goes through the relay', async () => {
  start();
  const dataJson = JSON.stringify({ sourceId: 'src_1', name: 'sms', refused: 12 });
  const address = 'ops@acme.example';
  due.push(notification({ kind: 'source.failing', channel: 'email', address, secret: '', dataJson }));
  await eventually(() => expect(settled).toMatchObject([{ delivered: true }]));
  // Long lines are folded on their way.
  const text = mails[0]!.text.replaceAll('=\r\n', '');
  expect(text).toContain('Subject: [acme] A source refuses what is sent to it');
  expect(text).toContain('sourceId: src_1');
  expect(text).toContain('/refusals/reverify');
});

test('F4 I10 a mail that is refused is said to have failed, without the address', async () => {
  start();
  refusesMail = true;
  due.push(notification({ channel: 'email', address: 'ops@acme.example', secret: '' }));
  await eventually(() => expect(settled).toMatchObject([{ delivered: false, detail: 'SMTP 550' }]));
});

test('F4 without a relay nothing is taken that would go by email', async () => {
  start({ relayUrl: '' });
  due.push(notification({ channel: 'email' }), notification({ id: 'ntf_2' }));
  await eventually(() => expect(settled).toMatchObject([{ id: 'ntf_2', delivered: true }]));
  expect(due).toMatchObject([{ channel: 'email' }]);
});
