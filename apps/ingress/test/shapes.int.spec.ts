import type { SourceConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { Webhook } from 'standardwebhooks';
import twilioPackage from 'twilio';
import { clock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

const TOKEN = 'd1ce'.repeat(8);
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const PUBLIC_URL = 'https://hooks.example.com';
let ingress: TestIngress;
let closing: Promise<void> | undefined;

beforeEach(async () => {
  closing = undefined;
  ingress = await startIngress({ publicIngressUrl: PUBLIC_URL });
});
afterEach(async () => {
  await close();
  closeConnections();
});

/** What is known is told at the end. */
const close = (): Promise<void> => (closing ??= ingress.close());

let next = 0;
async function sendSms(source: SourceConfig, more: Record<string, string> = {}): Promise<number> {
  const path = `/in/acme/${source.id}`;
  const fields: Record<string, string> = {
    ...{ AccountSid: `AC${'0'.repeat(32)}`, MessageSid: `SM${(++next).toString(16).padStart(32, '0')}` },
    ...{ MessageStatus: 'delivered', To: '+15550002222', ...more },
  };
  const { status } = await send(ingress.url + path, {
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': twilioPackage.getExpectedTwilioSignature(TOKEN, PUBLIC_URL + path, fields),
    },
    body: new URLSearchParams(fields).toString(),
  });
  return status;
}
async function sendJson(source: SourceConfig, body: object, secret = SECRET): Promise<number> {
  const [at, id, text] = [new Date(clock.nowMs()), `msg_${++next}`, JSON.stringify(body)];
  const { status } = await send(`${ingress.url}/in/acme/${source.id}`, {
    headers: {
      ...{ 'content-type': 'application/json', 'webhook-id': id },
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, text),
    },
    body: text,
  });
  return status;
}

test('A8 of forms and JSON that were stored the event log is told the fields, never a value', async () => {
  const tenant = ingress.tenants.addTenant('acme');
  const sms = ingress.tenants.addSource(tenant, 'twilio', TOKEN);
  const general = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET);
  const monitored = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, {
    verification: 'monitor',
  });
  await ingress.tenants.confirmed();
  expect(await sendSms(sms)).toBe(204);
  expect(await sendSms(sms, { RawDlrDoneDate: '2611251200' })).toBe(204);
  const json = { type: 'message.delivered', data: { messageId: 'S3CRET', items: [{ n: 1 }] } };
  expect(await sendJson(general, json)).toBeLessThan(300);
  // Anybody can make up such bodies.
  const forged = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
  expect(
    await sendJson(monitored, { type: 'message.delivered', data: { messageId: 'm', made: 'up' } }, forged),
  ).toBeLessThan(300);
  await close();
  const { reports } = ingress.events.shapes;
  const stored = ingress.events.stored.flatMap(({ events }) =>
    events.map(({ eventId }) => eventId.toString('hex')),
  );
  for (const { firstEventId } of reports) expect(stored).toContain(firstEventId.toString('hex'));
  const pathsOf = (provider: string): Record<string, string> =>
    Object.fromEntries(
      reports
        .filter((report) => report.provider === provider)
        .flatMap(({ fields }) =>
          fields.map(({ path, count, types }) => [path, `${count} ${types[0]!.type}`]),
        ),
    );
  expect(pathsOf('twilio')).toMatchObject({ '/MessageSid': '2 string', '/RawDlrDoneDate': '1 string' });
  expect(pathsOf('standard-webhooks')).toEqual({
    ...{ '/type': '1 string', '/data': '1 object', '/data/messageId': '1 string' },
    ...{ '/data/items': '1 array', '/data/items/[]': '1 object', '/data/items/[]/n': '1 number' },
  });
  const all = JSON.stringify(reports);
  for (const value of ['S3CRET', '2611251200', '+15550002222']) expect(all).not.toContain(value);
});

test('A8 C1 an event log that takes no shapes costs no request', async () => {
  const tenant = ingress.tenants.addTenant('acme');
  const sms = ingress.tenants.addSource(tenant, 'twilio', TOKEN);
  ingress.events.shapes.isDown = true;
  await ingress.tenants.confirmed();
  for (let at = 0; at < 5; at++) expect(await sendSms(sms)).toBe(204);
  await close();
  expect(ingress.events.stored).toHaveLength(5);
  expect(ingress.events.shapes.reports).toEqual([]);
});
