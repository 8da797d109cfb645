import { randomBytes } from 'node:crypto';
import { formatId } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { EventAttributes } from '../src/domain/intake.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { CALL, Rig, type AppendStream } from './service.rig.js';

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: AppendStream;
beforeAll(async () => {
  rig = await Rig.open();
  service = await rig.start();
  stream = await service.stream();
});
afterAll(() => rig.close());

const FORGED = { note: 'unauthentic: signature.mismatch' };
const sourceId = id();
const message = { providerMessageId: 'SM1', conversationHash: randomBytes(16) };
const person = randomBytes(16);

/** @returns its ID, once it is projected. */
async function post(attributes: Partial<EventAttributes>): Promise<string> {
  const tenant = rig.tenants[0];
  const event = eventOf({
    ...{ shard: tenant.shards[0]!, personHash: person, attributes: { ...message, ...attributes } },
  });
  await stream.sendUntilTaken([requestOf([event], { tenantId: tenant.uuid, sourceId })]);
  const eventId = formatId('evt', event.eventId);
  await eventually(async () => {
    const { event: shown } = await service.query.getEvent({ tenantId: tenantId(), id: eventId }, CALL);
    expect(shown).toMatchObject({ state: 'projected' });
  });
  return eventId;
}
const tenantId = (): string => formatId('ten', rig.tenants[0].uuid);
const list = async (authentic: boolean | undefined, over: object = {}) =>
  service.query.listEvents(
    {
      ...{ tenantId: tenantId(), limit: 50, cursor: '', type: '', sourceId: '', messageId: '', state: '' },
      ...{ conversationId: '', providerEventId: '', fromMs: 0, toMs: 0, authentic, ...over },
    },
    CALL,
  );

test('A10 what a source that monitors lets in is marked wherever it is shown, and found by that', async () => {
  // Would break: somebody acts on what anybody who knows the URL has made up.
  const sent = await post({ status: 'sent' });
  const forged = await post({ status: 'delivered', ...FORGED });
  // Says so in a text of its sender: that makes it no other event.
  const liar = await post({ status: 'read', providerStatus: 'unauthentic: signature.mismatch' });
  const cause = 'signature.mismatch';

  const idsOf = async (authentic: boolean | undefined, over: object = {}) =>
    (await list(authentic, over)).events.map(({ id: known }) => known);
  expect((await list(undefined)).events.map(({ unauthenticCause }) => unauthenticCause)).toEqual([
    ...[undefined, cause, undefined],
  ]);
  expect(await idsOf(false)).toEqual([forged]);
  expect(await idsOf(true)).toEqual([liar, sent]);
  expect(await idsOf(false, { type: 'message.sent' })).toEqual([]);
  const pages: string[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const page = await list(true, { limit: 1, cursor });
    pages.push(...page.events.map(({ id: known }) => known));
    cursor = page.nextCursor || undefined;
  }
  expect(pages).toEqual([liar, sent]);

  const ask = { tenantId: tenantId(), id: forged };
  const { event, entries } = await service.query.getEventTimeline(ask, CALL);
  expect(event).toMatchObject({ unauthenticCause: cause });
  expect(entries[0]).toMatchObject({ stage: 'received', detail: `from twilio, not authentic: ${cause}` });

  const steps = (messageId: string) =>
    service.query
      .getMessage({ tenantId: tenantId(), id: messageId }, CALL)
      .then((answer) =>
        answer.message!.transitions.map(({ toState, unauthenticCause }) => [toState, unauthenticCause]),
      );
  expect(await steps(event!.messageId)).toEqual([
    ['sent', undefined],
    ['delivered', cause],
    ['read', undefined],
  ]);
  expect(await idsOf(false, { messageId: event!.messageId })).toEqual([forged]);

  const { events } = await service.conversations.listPersonEvents(
    { tenantId: tenantId(), personHashes: [person], limit: 50, cursor: '', fromMs: 0, toMs: 0 },
    CALL,
  );
  expect(events.map(({ eventId, unauthenticCause }) => [eventId, unauthenticCause])).toEqual([
    [liar, undefined],
    [forged, cause],
    [sent, undefined],
  ]);
});
