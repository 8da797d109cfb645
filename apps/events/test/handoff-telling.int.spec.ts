import { randomBytes } from 'node:crypto';
import { formatId } from '@posthorn/clock/id.js';
import { EventContent } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { CALL, Rig, type AppendStream } from './service.rig.js';

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: AppendStream;
beforeAll(async () => {
  rig = await Rig.open();
  service = await rig.start();
  await eventually(() => {
    const { isReady, checks } = service.process.health.readiness();
    if (!isReady) throw new Error(JSON.stringify(checks));
  });
  stream = await service.stream();
});
afterAll(() => rig.close());

const sourceId = id();
const PACKAGE_BYTES_MAX = 262_144;
const uuidOf = (eventId: string): Buffer => {
  const found = described.get(eventId);
  if (found === undefined) throw new Error(`no event ${eventId}`);
  return found;
};
/** Of public event IDs, their bytes. */
const described = new Map<string, Buffer>();

/** A new contact that wrote these texts. */
async function contactWith(texts: readonly string[]) {
  const { dataKey, uuid, shards } = rig.tenants[0];
  const [conversation, person] = [randomBytes(16), randomBytes(16)];
  const ids = { tenantId: formatId('ten', uuid), conversationId: formatId('cnv', conversation) };
  for (const text of texts) {
    const eventId = id();
    const content = { from: '+4915100', to: '+4930', text, subject: '', mediaUrls: [] };
    const sealed = new SealedBox(dataKey.id, dataKey.key).seal(
      EventContent.encode(content).finish(),
      sealAad('content', uuid, eventId),
    );
    const event = eventOf({
      ...{ eventId, type: 'message.received', shard: shards[0]!, personHash: person, content: sealed },
      attributes: {
        ...{ status: 'received', direction: 'inbound', conversationHash: conversation },
        providerMessageId: `IN${eventId.toString('hex')}`,
      },
    });
    await stream.sendUntilTaken([requestOf([event], { tenantId: uuid, sourceId, dataKeyId: dataKey.id })]);
    await eventually(async () => {
      const found = await service.query.getEvent({ ...ids, id: formatId('evt', eventId) }, CALL);
      expect(found.event!.state).toBe('projected');
    });
  }
  const describe = (eventId: Buffer, tenantId = uuid) =>
    service.owners.describeHandoff({ tenantId, eventId }, CALL);
  const handOver = async () => {
    const asked = { actor: 'bot', key: '', reason: 'sentiment', queue: '', priority: 0, contextJson: '{}' };
    return (await service.handoffs.createHandoff({ ...ids, ...asked, traceparent: '' }, CALL)).handoff!;
  };
  /** The events of its hand-offs, by type, newest first; once there are so many. */
  const steps = async (count: number) => {
    const { rows } = await rig.database.query<{ type: string; event_id: Buffer }>(
      `SELECT type, decode(replace(event_id::text, '-', ''), 'hex') AS event_id FROM events.handoff_step
       WHERE conversation_id = $1 ORDER BY event_id DESC`,
      [conversation.toString('hex')],
    );
    expect(rows).toHaveLength(count);
    for (const { event_id } of rows) described.set(formatId('evt', event_id), event_id);
    return rows.map(({ type, event_id }) => [type, event_id] as const);
  };
  return { ids, uuid, person, describe, handOver, steps };
}

test('D6 each step of a hand-off leads to its own package, and none to a later one', async () => {
  // Would break: a desk is told of another hand-off than the one whose event it got.
  const contact = await contactWith(['First']);
  const first = await contact.handOver();
  const act = { ...contact.ids, actor: 'key_anna', traceparent: '' };
  const { handoff } = await service.handoffs.claimConversation({ ...act, offerTimeoutSeconds: 60 }, CALL);
  const step = { ...act, fencingToken: handoff!.fencingToken, note: '' };
  await service.handoffs.acceptHandoff(step, CALL);
  await service.handoffs.closeConversation(step, CALL);
  const second = await contact.handOver();
  const steps = await contact.steps(5);
  for (const [type, eventId] of steps.slice(1)) {
    const told = await contact.describe(eventId);
    expect([type, told.handoffId, told.isErased]).toEqual([type, first.id, false]);
    expect(JSON.parse(told.packageJson)).toMatchObject({
      ids: { handoff: first.id, customerAddress: '+4915100' },
      history: { messages: [{ text: 'First' }] },
      result: { state: 'closed' },
    });
    expect(Buffer.byteLength(told.flatJson)).toBeLessThanOrEqual(4_096);
    expect(JSON.parse(told.flatJson)).toMatchObject({ handoff: first.id, lastMessage: 'First' });
  }
  expect((await contact.describe(uuidOf(second.id))).handoffId).toBe(second.id);
});

test('E6 of a person who was erased nothing is told, of a hand-off afterwards it is', async () => {
  const contact = await contactWith(['Secret']);
  await contact.handOver();
  const [[, before]] = (await contact.steps(1)) as [readonly [string, Buffer]];
  await service.operations.erasePerson(
    { tenantId: contact.ids.tenantId, id: id(), actor: 'key_1', personHashes: [contact.person] },
    CALL,
  );
  expect(await contact.describe(before)).toMatchObject({ isErased: true, packageJson: '', flatJson: '' });
  await service.handoffs.closeConversation(
    { ...contact.ids, actor: 'key_1', fencingToken: 0n, note: '', traceparent: '' },
    CALL,
  );
  const again = await contact.handOver();
  await contact.steps(3);
  const told = await contact.describe(uuidOf(again.id));
  expect(told).toMatchObject({ handoffId: again.id, isErased: false });
  expect(told.packageJson).not.toContain('Secret');
});

test('B10 D6 another tenant, an event of no hand-off, a wrong ID, another caller: nothing is told', async () => {
  const contact = await contactWith(['Mine']);
  await contact.handOver();
  const [[, eventId]] = (await contact.steps(1)) as [readonly [string, Buffer]];
  const nothing = { handoffId: '', isErased: false, packageJson: '', flatJson: '' };
  expect(await contact.describe(eventId, rig.tenants[1].uuid)).toEqual(nothing);
  expect(await contact.describe(id())).toEqual(nothing);
  await expect(contact.describe(randomBytes(4))).rejects.toMatchObject({ code: 'request.invalid' });
});

test('D6 of a history too long for a delivery the oldest messages are left out, and the rest is pointed to', async () => {
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(120_000));
  const contact = await contactWith(texts);
  const { id: handoffId } = await contact.handOver();
  await contact.steps(1);
  const { packageJson } = await contact.describe(uuidOf(handoffId));
  expect(Buffer.byteLength(packageJson)).toBeLessThanOrEqual(PACKAGE_BYTES_MAX);
  const { history } = JSON.parse(packageJson) as {
    history: { messageCount: number; messages: { text: string }[]; rest: string };
  };
  expect(history.messages.map(({ text }) => text)).toEqual(texts.slice(1));
  expect(history).toMatchObject({ messageCount: 3, rest: expect.stringContaining('/conversations/cnv_') });
});
