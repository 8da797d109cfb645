import { randomBytes } from 'node:crypto';
import { eventually } from '@posthorn/testing/eventually.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { CALL, Rig, type AppendStream } from './service.rig.js';

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: AppendStream;
beforeAll(async () => {
  rig = await Rig.open();
  service = await rig.start();
  await eventually(() => expect(service.process.health.readiness()).toMatchObject({ isReady: true }));
  stream = await service.stream();
});
afterAll(() => rig.close());

const AT_MS = 1_790_000_000_000;

test('E2 whoever sends is told when that person last wrote on that channel, and nothing of anybody else', async () => {
  // Would break: a window would be open because a caller says so, or because somebody else wrote.
  const [{ uuid: tenantId, shards }, other] = rig.tenants;
  const [conversationId, personHash, sourceId] = [randomBytes(16), randomBytes(16), id()];
  const chat = { channel: 'chat', conversationHash: conversationId };
  const wrote = (occurredAtMs: number) =>
    eventOf({
      ...{ type: 'message.received', shard: shards[0]!, personHash, occurredAtMs },
      attributes: { ...chat, status: 'received', direction: 'inbound' },
    });
  const sent = eventOf({
    ...{ shard: shards[0]!, personHash, occurredAtMs: AT_MS + 9_000 },
    attributes: { ...chat, status: 'sent' },
  });
  const whom = { tenantId, conversationId, personHash, channel: 'chat' };
  const owner = (over: Partial<typeof whom> = {}) => service.owners.checkOwner({ ...whom, ...over }, CALL);
  const ask = async (over: Partial<typeof whom> = {}) => (await owner(over)).lastInboundAtMs;

  expect(await owner()).toMatchObject({ lastInboundAtMs: 0, contact: 'unknown' });
  // Late ones do not move it back, and what we send does not move it at all.
  for (const event of [wrote(AT_MS + 5_000), wrote(AT_MS), sent]) {
    const { results } = await stream.send([requestOf([event], { tenantId, sourceId })]);
    expect(results).toMatchObject([{ eventsStored: 1 }]);
  }
  await eventually(async () => expect(await ask()).toBe(AT_MS + 5_000));
  expect((await owner()).contact).toBe('same');
  for (const over of [{ personHash: randomBytes(16) }, { personHash: Buffer.alloc(0) }, { channel: 'sms' }])
    expect(await owner(over)).toMatchObject({ lastInboundAtMs: 0, contact: 'other' });
  for (const over of [{ conversationId: randomBytes(16) }, { tenantId: other.uuid }])
    expect(await owner(over)).toMatchObject({ lastInboundAtMs: 0, contact: 'unknown' });
});

test('D6 E2 who asks at the same time as others, of other tenants too, gets its own answer', async () => {
  // Would break: one statement answers all of them, and answers that change places let a bot write to somebody else's claim.
  const CONVERSATIONS = 40;
  const ours = Array.from({ length: CONVERSATIONS }, (_, n) => {
    const tenant = rig.tenants[n % 2]!;
    return { tenant, conversationId: randomBytes(16), personHash: randomBytes(16), atMs: AT_MS + n * 1_000 };
  });
  for (const { tenant, conversationId, personHash, atMs } of ours.filter((_one, n) => n % 4 < 2)) {
    const event = eventOf({
      ...{ type: 'message.received', shard: tenant.shards[0]!, personHash, occurredAtMs: atMs },
      attributes: {
        channel: 'chat',
        conversationHash: conversationId,
        status: 'received',
        direction: 'inbound',
      },
    });
    await stream.send([requestOf([event], { tenantId: tenant.uuid, sourceId: id() })]);
  }
  const expected = ours.map(({ atMs }, n) =>
    n % 4 < 2 ? { contact: 'same', lastInboundAtMs: atMs } : { contact: 'unknown', lastInboundAtMs: 0 },
  );
  await eventually(async () => {
    const answers = await Promise.all(
      ours.map(({ tenant, conversationId, personHash }) =>
        service.owners.checkOwner(
          { tenantId: tenant.uuid, conversationId, personHash, channel: 'chat' },
          CALL,
        ),
      ),
    );
    expect(answers.map(({ contact, lastInboundAtMs }) => ({ contact, lastInboundAtMs }))).toEqual(expected);
  });
});
