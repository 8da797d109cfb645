import { randomBytes } from 'node:crypto';
import { newUuid } from '@posthorn/clock/id.js';
import {
  EventContent,
  type IntakeEvent,
  type IntakeRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { SourceConfig, TenantConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { Webhook } from 'standardwebhooks';
import { PAGE_OUTCOME } from '../src/clients/reprocessing.client.js';
import { clock, startIngress, weekOf, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
/** Nothing fits it. */
const WRONG_SCHEMA = { type: 'object', required: ['nothing-has-this'] };
const DONE_WITHIN = { timeoutMs: 15_000 };

let ingress: TestIngress;
let tenant: TenantConfig;
let source: SourceConfig;
let nextNumber = 0;

beforeEach(async () => {
  ingress = await startIngress();
  tenant = ingress.tenants.addTenant('acme');
  source = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, { jsonSchema: WRONG_SCHEMA });
  await eventually(async () => expect((await post('hello', 0)).status).toBe(204));
  ingress.events.stored.length = 0;
});
afterEach(async () => {
  closeConnections();
  await ingress.close();
});

function post(text: string, number = ++nextNumber, secret = SECRET) {
  const [id, at] = [`msg_${number}`, new Date(clock.nowMs())];
  const data = { messageId: `m${number}`, channel: 'sms', from: '+15550002222', to: '+15550001111', text };
  const body = JSON.stringify({ type: 'message.received', data });
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  };
  return send(`${ingress.url}/in/acme/${source.id}`, { headers, body });
}

async function fix(settings: object = {}): Promise<void> {
  ingress.tenants.push({ sources: [{ ...source, settingsJson: JSON.stringify(settings) }] });
  await ingress.tenants.confirmed();
}
/** What the page came to. */
async function processAgain(times = 1) {
  const { reprocessing } = ingress.events;
  const before = reprocessing.settled.length;
  reprocessing.processAgain();
  await eventually(() => expect(reprocessing.settled).toHaveLength(before + times), DONE_WITHIN);
  return reprocessing.settled.at(-1)!;
}
const stored = (): readonly IntakeRequest[] => ingress.events.stored;
const isOriginal = ({ type }: IntakeEvent): boolean => type === 'event.unrecognized';
const originals = () => stored().flatMap(({ events }) => events.filter(isOriginal));
/** What was appended of what had not been understood. */
const found = () => stored().filter(({ raw }) => raw.length === 0);
const contentOf = (
  { tenantId, dataKeyId }: IntakeRequest,
  event: IntakeEvent,
  key = tenant.dataKeys[0]!.key,
) =>
  EventContent.decode(
    new SealedBox(dataKeyId, key).open(event.content, sealAad('content', tenantId, event.eventId)),
  );

test('A8 a schema is fixed, one call: what it had set aside is in the log as what it is, once, and names the original', async () => {
  for (const text of ['one', 'two', 'three']) expect((await post(text)).status).toBe(204);
  expect(stored().flatMap(({ events }) => events.map(isOriginal))).toEqual([true, true, true]);
  // Nothing is fixed yet: all stays as it is.
  expect(await processAgain()).toMatchObject({ outcome: PAGE_OUTCOME.done, understoodEventIds: [] });
  expect(found()).toEqual([]);

  await fix();
  const [first, ...others] = originals();
  expect(await processAgain()).toMatchObject({
    outcome: PAGE_OUTCOME.done,
    understoodEventIds: originals().map(({ eventId }) => eventId),
    personHashes: originals().map(() => first!.personHash),
  });
  expect(others).toHaveLength(2);
  const came = stored().slice(0, 3);
  expect(found()).toMatchObject(
    came.map(({ requestId, secretId, receivedAtMs, sourceId, traceparent, events }) => ({
      ...{ requestId, secretId, receivedAtMs, sourceId, traceparent },
      events: [
        {
          type: 'message.received',
          personHash: first!.personHash,
          attributes: { causedBy: events[0]!.eventId, status: 'received', note: '' },
        },
      ],
    })),
  );
  expect(found().map((request) => contentOf(request, request.events[0]!).text)).toEqual([
    'one',
    'two',
    'three',
  ]);

  // Again, and the provider sends one of them again: nothing is stored.
  await processAgain();
  expect((await post('two', nextNumber - 1)).status).toBe(204);
  expect(found()).toHaveLength(3);
  expect(stored()).toHaveLength(6);
}, 40_000);

test('A8 E1 an opt-out that is found so is in force like any other, with the time it came at', async () => {
  const field = '/data/body';
  await fix({ textPointer: field, typePointer: '/data/kind' });
  expect((await post('STOP')).status).toBe(204);
  expect(originals()).toMatchObject([{ attributes: { signal: '' } }]);
  expect(ingress.compliance.applied).toEqual([]);
  await fix();
  await processAgain();
  const [request] = found();
  expect(request!.receivedAtMs).toBe(stored()[0]!.receivedAtMs);
  expect(ingress.compliance.applied).toMatchObject([
    {
      ...{ signal: 'opt_out', channel: 'sms', receivedAtMs: stored()[0]!.receivedAtMs },
      ...{ eventId: request!.events[0]!.eventId, personHash: request!.events[0]!.personHash },
    },
  ]);
}, 40_000);

test('A10 A8 what was let in without being authentic stays marked, and its opt-in does not count', async () => {
  await fix({ verification: 'monitor', jsonSchema: WRONG_SCHEMA });
  expect((await post('START', ++nextNumber, OTHER_SECRET)).status).toBe(204);
  expect(originals()).toMatchObject([
    { attributes: { note: expect.stringMatching(/^unauthentic: signature/) } },
  ]);
  await fix();
  await processAgain();
  expect(found()).toMatchObject([
    {
      secretId: Buffer.alloc(0),
      events: [{ attributes: { note: 'unauthentic: signature.mismatch', signal: '' } }],
    },
  ]);
  // The genuine one does not meet the forged one's keys.
  expect((await post('START', nextNumber)).status).toBe(204);
  expect(stored().at(-1)).toMatchObject({ events: [{ attributes: { note: '', signal: 'opt_in' } }] });
}, 40_000);

test('E6 of a person who was erased since nothing is sealed again', async () => {
  await post('my secret');
  await fix();
  ingress.events.reprocessing.erased = [originals()[0]!.personHash];
  const settled = await processAgain();
  expect(found()).toMatchObject([{ events: [{ type: 'message.received', content: Buffer.alloc(0) }] }]);
  expect(settled.personHashes).toEqual([originals()[0]!.personHash]);
}, 40_000);

test('A4 A8 a store that is away postpones the page as a whole; given out again it is stored once', async () => {
  await post('one');
  await fix();
  ingress.events.mode = 'unavailable';
  expect(await processAgain()).toMatchObject({ outcome: PAGE_OUTCOME.postponed, understoodEventIds: [] });
  ingress.events.mode = 'store';
  expect(await processAgain()).toMatchObject({ outcome: PAGE_OUTCOME.done });
  expect(found()).toHaveLength(1);
}, 40_000);

test('A8 a request of a week whose key is not in memory is opened with the key that tenants gives, and sealed with it', async () => {
  await post('of long ago');
  await fix();
  const [request] = stored();
  const { id, key } = tenant.dataKeys[0]!;
  const former = {
    id: newUuid(clock.nowMs()),
    key: randomBytes(32),
    weekStartDay: weekOf(clock.nowMs()) - 21,
  };
  const aad = sealAad('raw', request!.tenantId, request!.requestId);
  const raw = new SealedBox(id, key).open(request!.raw, aad);
  ingress.events.stored[0] = {
    ...request!,
    dataKeyId: former.id,
    raw: new SealedBox(former.id, former.key).seal(raw, aad),
  };
  // Destroyed: it is left, and does not hold what comes behind it.
  expect(await processAgain()).toMatchObject({ outcome: PAGE_OUTCOME.done, understoodEventIds: [] });
  ingress.tenants.formerDataKeys.push(former);
  expect(await processAgain()).toMatchObject({ understoodEventIds: [originals()[0]!.eventId] });
  const [again] = found();
  expect(again!.dataKeyId).toEqual(former.id);
  expect(contentOf(again!, again!.events[0]!, former.key).text).toBe('of long ago');
}, 40_000);

test('A8 a source that refuses what its schema does not fit, or is gone, leaves what is stored as it is', async () => {
  await post('one');
  await fix({ jsonSchema: WRONG_SCHEMA, schemaFailure: 'refuse' });
  expect(await processAgain()).toMatchObject({ outcome: PAGE_OUTCOME.done, understoodEventIds: [] });
  ingress.tenants.push({ sources: [{ ...source, status: 'disabled' }] });
  await ingress.tenants.confirmed();
  expect(await processAgain()).toMatchObject({ outcome: PAGE_OUTCOME.done, understoodEventIds: [] });
  expect(found()).toEqual([]);
}, 40_000);
