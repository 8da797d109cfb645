import { EventContent, type IntakeEvent } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { SourceConfig, TenantConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { Webhook } from 'standardwebhooks';
import { clock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const [CONTACT, OURS] = ['+436601234567', '+431000000'];

let [ingress, tenant, bot, other] = [] as unknown as [TestIngress, TenantConfig, SourceConfig, SourceConfig];
beforeAll(async () => {
  ingress = await startIngress({});
  tenant = ingress.tenants.addTenant('acme');
  bot = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET);
  other = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, { verification: 'monitor' });
  await eventually(async () => expect((await send(urlOf(other))).status).toBe(204));
});
afterAll(async () => {
  closeConnections();
  await ingress.close();
});

const urlOf = ({ id }: SourceConfig): string => `${ingress.url}/in/acme/${id}`;
let nextNumber = 0;

/** Posts as the official package signs, and gives the event that was handed to the log. */
async function post(said: object, source = bot, id = `bot_${++nextNumber}`): Promise<IntakeEvent> {
  const [body, at] = [JSON.stringify(said), new Date(clock.nowMs())];
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, at, body),
  };
  expect((await send(urlOf(source), { headers, body })).status).toBe(204);
  return ingress.events.stored.at(-1)!.events[0]!;
}

const handoff = (data: object) => ({
  type: 'conversation.handoff',
  timestamp: new Date(clock.nowMs()).toISOString(),
  data: { channel: 'sms', contact: CONTACT, ours: OURS, reason: 'sentiment', ...data },
});

function contentOf(event: IntakeEvent): EventContent {
  const { id, key } = tenant.dataKeys[0]!;
  const { tenantId } = ingress.events.stored.at(-1)!;
  const sealed = new SealedBox(id, key).open(event.content, sealAad('content', tenantId, event.eventId));
  return EventContent.decode(sealed);
}

test('D6 the bot’s terminal event is appended as one, in the conversation and lane of what the contact wrote', async () => {
  const said = {
    messageId: 'in1',
    channel: 'sms',
    from: '0043 660 1234567',
    to: OURS,
    text: 'A person, please',
  };
  const wrote = await post({ type: 'message.received', data: said }, other);
  const event = await post(
    handoff({
      ...{ context: { intent: 'cancel', history: [{ from: 'bot', text: 'Hi' }] } },
      ...{ queue: 'billing', priority: 0 },
    }),
  );
  expect(event).toMatchObject({
    type: 'conversation.handoff',
    shard: wrote.shard,
    attributes: {
      ...{ channel: 'sms', note: 'sentiment', providerType: 'conversation.handoff', status: '' },
      ...{ queue: 'billing', priority: 0 },
    },
  });
  expect(event.personHash).toEqual(wrote.personHash);
  expect(event.attributes!.conversationHash).toEqual(wrote.attributes!.conversationHash);
  expect(event.attributes!.conversationHash).toHaveLength(16);
  expect(event.occurredAtMs).toBeGreaterThan(0);
  const { from, to, text } = contentOf(event);
  expect({ from, to, context: JSON.parse(text) }).toEqual({
    ...{ from: CONTACT, to: OURS },
    context: { intent: 'cancel', history: [{ from: 'bot', text: 'Hi' }] },
  });
});

test('E7 B6 nothing of what the bot tells stands outside of the ciphertext', async () => {
  const context = { summary: 'Jane is angry', intent: 'parcel_lost' };
  await post(handoff({ context, reason: 'Jane is angry', queue: 'Jane is angry' }));
  const { events, ...request } = ingress.events.stored.at(-1)!;
  const lean = JSON.stringify([{ ...request, raw: '' }, events.map((each) => ({ ...each, content: '' }))]);
  for (const personal of ['Jane', 'parcel', '660123', '31000000']) expect(lean).not.toContain(personal);
});

test('C1 the same terminal event again is one', async () => {
  const said = handoff({});
  await post(said, bot, 'bot_same');
  const before = ingress.events.stored.length;
  await post(said, bot, 'bot_same');
  expect(ingress.events.stored.length).toBe(before);
});

test('A8 a hand-off that names no conversation is kept as not understood, never lost', async () => {
  for (const data of [{ contact: '' }, { channel: 'pigeon' }, { ours: null }])
    expect(await post(handoff(data))).toMatchObject({
      type: 'event.unrecognized',
      attributes: {
        providerType: 'conversation.handoff',
        note: expect.stringContaining('a hand-off without') as string,
      },
    });
});
