import { randomBytes } from 'node:crypto';
import { formatId, newUuid, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import {
  EventContent,
  SettleMediumRequest_Outcome as Outcome,
  type ClaimedMedium,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { IntakeRequest } from '../src/domain/intake.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { CALL, Rig, type KnownTenant } from './service.rig.js';

const ME = 'dispatcher-one';
const OTHER = 'dispatcher-two';
const LEASE_SECONDS = 60;
const PNG = Buffer.from('\x89PNG not for others', 'latin1');

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: Awaited<ReturnType<(typeof service)['stream']>>;
beforeEach(async () => {
  rig = await Rig.open();
  service = await rig.start({ MEDIA_RETRY_BASE_MS: '20' });
  await eventually(() => expect(service.process.health.readiness()).toMatchObject({ isReady: true }));
  stream = await service.stream();
});
afterEach(() => rig.close());

const wanting = (tenant: KnownTenant, maxBytes = 1_000): Promise<void> => rig.setMedia(tenant, { maxBytes });

/** A message with so many media, sealed as ingress does it. */
function message(tenant: KnownTenant, media: number, over: { eventId?: Buffer; personHash?: Buffer } = {}) {
  const box = new SealedBox(tenant.dataKey.id, tenant.dataKey.key);
  const { eventId = id(), personHash = randomBytes(16) } = over;
  const mediaUrls = Array.from({ length: media }, (_, at) => `https://api.twilio.com/media/${at}`);
  const content = EventContent.encode({ from: '+1', to: '+2', text: '', subject: '', mediaUrls }).finish();
  const event = eventOf({
    ...{ eventId, personHash, shard: tenant.shards[0]!, type: 'message.received' },
    content: box.seal(content, sealAad('content', tenant.uuid, eventId)),
    attributes: { direction: 'inbound', status: 'received', mediaCount: media || undefined },
  });
  return requestOf([event], { tenantId: tenant.uuid, dataKeyId: tenant.dataKey.id });
}

/** Stores requests, and waits until they are projected. */
async function stored(...requests: IntakeRequest[]): Promise<void> {
  await stream.send(requests);
  for (const request of requests)
    await eventually(async () =>
      expect((await service.query.getEvent(nameOf(request), CALL)).event!.state).toBe('projected'),
    );
}
const nameOf = ({ tenantId, events }: IntakeRequest) => ({
  ...{ tenantId: formatId('ten', tenantId), id: formatId('evt', events[0]!.eventId) },
});
const claim = async (limit = 16, instanceId = ME, leaseSeconds = LEASE_SECONDS): Promise<ClaimedMedium[]> =>
  (await service.media.claimMedia({ instanceId, limit, leaseSeconds }, CALL)).media;
const keep = async ({ name }: ClaimedMedium, body = PNG, contentType = 'image/png', instanceId = ME) =>
  (await service.media.storeMedium({ instanceId, name, contentType, body }, CALL)).stored;
const settle = async ({ name }: ClaimedMedium, outcome: Outcome, reason: string, instanceId = ME) =>
  (await service.media.settleMedium({ instanceId, name, outcome, reason, retryAfterMs: 0 }, CALL)).state;
const mediaOf = async (request: IntakeRequest) => (await service.query.getEvent(nameOf(request), CALL)).media;
const read = (request: IntakeRequest, index: number) =>
  service.query.getEventMedium({ ...nameOf(request), index }, CALL);

test('A9 A6 what a message refers to is handed out, kept encrypted, listed and read back; nobody else sees it', async () => {
  const [tenant, other] = rig.tenants;
  await wanting(tenant);
  const request = message(tenant, 2);
  await stored(request, message(other, 1));
  const claimed = (await claim()).sort((a, b) => a.name!.index - b.name!.index);
  expect(claimed).toMatchObject([
    {
      provider: 'twilio',
      sourceId: request.sourceId,
      url: 'https://api.twilio.com/media/0',
      maxBytes: 1_000,
    },
    { name: { index: 1 }, url: 'https://api.twilio.com/media/1' },
  ]);
  expect(await claim()).toEqual([]);
  expect(await keep(claimed[0]!, PNG, 'Image/PNG; name="a.png"')).toBe(true);
  expect(await keep(claimed[1]!, Buffer.alloc(0), 'a\r\nb: c')).toBe(true);
  expect(await mediaOf(request)).toMatchObject([
    { index: 0, state: 'stored', reason: '', contentType: 'image/png', bytes: PNG.length, attempts: 1 },
    { index: 1, state: 'stored', contentType: 'application/octet-stream', bytes: 0 },
  ]);
  expect(await read(request, 0)).toEqual({ contentType: 'image/png', body: PNG });
  const { rows } = await rig.database.query<{ body: Buffer }>(
    'SELECT body FROM events.media WHERE place = 0',
  );
  expect(rows.every(({ body }) => body.length > PNG.length && !body.includes('not for others'))).toBe(true);
  await expect(read(request, 2)).rejects.toMatchObject({ code: 'media.not_found' });
  const foreign = { ...nameOf(request), tenantId: formatId('ten', other.uuid), index: 0 };
  await expect(service.query.getEventMedium(foreign, CALL)).rejects.toMatchObject({
    code: 'media.not_found',
  });
  const seen = await rig.database
    .database('posthorn_events_reader')
    .tenantTransaction(uuidText(other.uuid), (tx) => tx.query('SELECT 1 FROM events.media'));
  expect(seen.rows).toEqual([]);
  await expect(
    rig.database.database('posthorn_events').query('SELECT body FROM events.media'),
  ).rejects.toThrow('permission denied');
});

test('A9 one row cannot stand in for another: bytes belong to their event and place', async () => {
  const [tenant] = rig.tenants;
  await wanting(tenant);
  const request = message(tenant, 2);
  await stored(request);
  for (const medium of await claim()) await keep(medium, Buffer.from(`medium ${medium.name!.index}`));
  await rig.database.query(
    'UPDATE events.media m SET body = (SELECT body FROM events.media o WHERE o.place = 1) WHERE m.place = 0',
  );
  await expect(read(request, 0)).rejects.toMatchObject({ code: 'ciphertext.invalid' });
  expect((await read(request, 1)).body.toString()).toBe('medium 1');
});

test('A9 nothing is fetched for a tenant that does not want it, nor once it does not any more', async () => {
  const [tenant, other] = rig.tenants;
  const unwanted = message(other, 1);
  await stored(unwanted);
  await wanting(tenant);
  const wanted = message(tenant, 1);
  await stored(wanted);
  expect(await mediaOf(unwanted)).toEqual([]);
  await rig.setMedia(tenant, undefined);
  expect(await claim()).toEqual([]);
  expect(await mediaOf(wanted)).toMatchObject([{ state: 'refused', reason: 'policy' }]);
  await expect(read(wanted, 0)).rejects.toMatchObject({
    code: 'media.not_found',
    detail: expect.stringContaining('refused'),
  });
});

test('A9 a try that failed is made again after a while; what is gone, forbidden or too large is not', async () => {
  const [tenant] = rig.tenants;
  await wanting(tenant);
  const request = message(tenant, 4);
  await stored(request);
  const claimed = (await claim()).sort((a, b) => a.name!.index - b.name!.index);
  expect(await settle(claimed[0]!, Outcome.OUTCOME_RETRY, 'http_503')).toBe('pending');
  expect(await settle(claimed[1]!, Outcome.OUTCOME_GONE, 'http_404')).toBe('gone');
  expect(await settle(claimed[2]!, Outcome.OUTCOME_REFUSED, 'it said: +43660…')).toBe('refused');
  expect(await settle(claimed[3]!, Outcome.OUTCOME_TOO_LARGE, 'too_large')).toBe('too_large');
  expect(await mediaOf(request)).toMatchObject([
    { state: 'pending', reason: 'http_503', settledAtMs: 0 },
    { state: 'gone', reason: 'http_404', settledAtMs: expect.any(Number) },
    { state: 'refused', reason: 'unknown' },
    { state: 'too_large' },
  ]);
  const again = await eventually(async () => {
    const media = await claim();
    expect(media).toHaveLength(1);
    return media[0]!;
  });
  expect(again.name!.index).toBe(0);
  // What was told once is told: the same settlement again, or bytes that come after it, change nothing.
  expect(await settle(claimed[1]!, Outcome.OUTCOME_RETRY, 'late')).toBe('');
  expect(await keep(claimed[1]!)).toBe(false);
  expect(await keep(again)).toBe(true);
  expect(await keep(again, Buffer.from('twice'))).toBe(false);
  expect((await read(request, 0)).body).toEqual(PNG);
  expect((await mediaOf(request))[0]).toMatchObject({ attempts: 2 });
  const metrics = await service.process.metrics.text();
  for (const outcome of ['stored', 'retry', 'gone', 'refused', 'too_large'])
    expect(metrics).toContain(`posthorn_media_total{outcome="${outcome}"} 1`);
});

test('A9 what was lost with its holder is handed out again, and only its new holder may say what became of it', async () => {
  const [tenant] = rig.tenants;
  await wanting(tenant);
  const request = message(tenant, 1);
  await stored(request);
  const [lost] = await claim(1, ME, 1);
  const taken = await eventually(async () => {
    const [medium] = await claim(1, OTHER);
    expect(medium).toBeDefined();
    return medium!;
  });
  expect(taken.name).toEqual(lost!.name);
  expect(await keep(lost!)).toBe(false);
  expect(await settle(lost!, Outcome.OUTCOME_GONE, 'http_404')).toBe('');
  expect(await keep(taken, PNG, 'image/png', OTHER)).toBe(true);
  expect(await mediaOf(request)).toMatchObject([{ state: 'stored', attempts: 2 }]);
});

test('A9 what could not be had within its time has failed, whoever notices', async () => {
  const [tenant] = rig.tenants;
  await wanting(tenant);
  const [request, late] = [
    message(tenant, 3),
    message(tenant, 1, { eventId: newUuid(uuidTimeMs(id()) - 4 * 86_400_000) }),
  ];
  await stored(request, late);
  // An event that is understood long after it came keeps its time: nothing of it is asked for.
  expect(await mediaOf(late)).toEqual([]);
  const [first] = await claim(1);
  await rig.database.query(`UPDATE events.media SET expires_at = clock_timestamp() - interval '1 second'`);
  expect(await settle(first!, Outcome.OUTCOME_RETRY, 'timeout')).toBe('failed');
  const others = (await mediaOf(request)).filter(({ index }) => index !== first!.name!.index);
  expect(others).toMatchObject([{ state: 'failed' }, { state: 'failed' }]);
  expect(await claim()).toEqual([]);
  const reasons = (await mediaOf(request)).map(({ state, reason }) => `${state} ${reason}`).sort();
  expect(reasons).toEqual(['failed deadline', 'failed deadline', 'failed timeout']);
});

test('E5 A9 of a person who was erased nothing is handed out, and bytes that are on their way are not kept', async () => {
  const [tenant] = rig.tenants;
  await wanting(tenant);
  const personHash = randomBytes(16);
  const [under, done] = [message(tenant, 1, { personHash }), message(tenant, 1, { personHash })];
  await stored(under, done);
  const claimed = await claim();
  const of = ({ events }: IntakeRequest) =>
    claimed.find(({ name }) => name!.eventId.equals(events[0]!.eventId))!;
  expect(await keep(of(done))).toBe(true);
  const order = { tenantId: formatId('ten', tenant.uuid), id: id(), actor: 'op', personHashes: [personHash] };
  const { erasure } = await service.operations.erasePerson(order, CALL);
  expect(erasure).toMatchObject({ isComplete: true });
  expect(erasure!.erased).toContainEqual({ table: 'media', rows: 2n });
  expect(await keep(of(under))).toBe(false);
  expect([await mediaOf(under), await mediaOf(done)]).toEqual([[], []]);
  expect((await rig.database.query('SELECT 1 FROM events.media')).rows).toEqual([]);
  // An event whose content went before anybody looked for its media: nobody knows where they are any more.
  const erased = message(tenant, 1);
  await stored(erased);
  await rig.database.query('DELETE FROM events.content');
  expect(await claim()).toEqual([]);
  expect(await mediaOf(erased)).toMatchObject([{ state: 'gone', reason: 'erased' }]);
});

test('A9 B10 who has much to fetch does not keep the others waiting', async () => {
  const [busy, calm] = rig.tenants;
  await wanting(busy);
  await wanting(calm);
  await stored(...Array.from({ length: 3 }, () => message(busy, 10)), message(calm, 1));
  const claimed = await claim(5);
  expect(claimed).toHaveLength(5);
  expect(claimed.filter(({ name }) => name!.tenantId.equals(calm.uuid))).toHaveLength(1);
});

test('A9 projecting an event again, or a count beyond the bound, makes no second medium', async () => {
  const [tenant] = rig.tenants;
  await wanting(tenant);
  const request = message(tenant, 10);
  const [event] = request.events;
  const many = { ...event!, attributes: { ...event!.attributes!, mediaCount: 4_000_000_000 } };
  await stored({ ...request, events: [many] });
  expect(await mediaOf(request)).toHaveLength(10);
});

test('A9 only dispatcher may ask, and only for what can be', async () => {
  const [tenant] = rig.tenants;
  const asked = { instanceId: ME, limit: 1, leaseSeconds: 1 };
  await expect(service.forbiddenMedia.claimMedia(asked, CALL)).rejects.toMatchObject({
    code: 'caller.forbidden',
  });
  for (const wrong of [
    { limit: 0 },
    { limit: 17 },
    { leaseSeconds: 0 },
    { leaseSeconds: 601 },
    { instanceId: '' },
  ])
    await expect(service.media.claimMedia({ ...asked, ...wrong }, CALL)).rejects.toMatchObject({
      code: 'request.invalid',
    });
  const name = { tenantId: tenant.uuid, eventId: id(), index: 0 };
  for (const wrong of [
    { name: { ...name, index: 10 } },
    { name: { ...name, eventId: Buffer.alloc(3) } },
    { name: undefined },
    { body: Buffer.alloc(15 * 1_048_576 + 1) },
  ])
    await expect(
      service.media.storeMedium({ instanceId: ME, name, contentType: '', body: PNG, ...wrong }, CALL),
    ).rejects.toMatchObject({ code: 'request.invalid' });
  const settled = { instanceId: ME, name, outcome: Outcome.OUTCOME_UNSPECIFIED, reason: '', retryAfterMs: 0 };
  await expect(service.media.settleMedium(settled, CALL)).rejects.toMatchObject({ code: 'request.invalid' });
  const largest = { instanceId: ME, name, contentType: '', body: Buffer.alloc(15 * 1_048_576) };
  expect((await service.media.storeMedium(largest, CALL)).stored).toBe(false);
});
