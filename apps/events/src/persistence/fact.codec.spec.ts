import { newUuid } from '@posthorn/clock/id.js';
import { EventAttributes } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { factIdOf, type LoggedEvent } from '../domain/project-event.js';
import { decodeFact, encodeFact, factOf } from './fact.codec.js';

const STOP_MS = 1_700_000_000_000;
const stopId = newUuid(STOP_MS);

const factCausedBy = (causedBy: Buffer, note = '') => {
  const event: LoggedEvent = {
    ...{ shard: 1, xid: 10n, position: 1n, tenantId: newUuid(1), sourceId: Buffer.alloc(16) },
    ...{ eventId: newUuid(STOP_MS + 900), type: 'consent.opted_out', provider: 'compliance' },
    ...{ personHash: Buffer.alloc(16, 1), occurredAtMs: STOP_MS - 5_000, receivedAtMs: STOP_MS + 900 },
    ...{ storedAtMs: STOP_MS + 901, traceparent: '' },
    attributes: { ...EventAttributes.decode(Buffer.alloc(0)), causedBy, note },
  };
  const factId = factIdOf(event.eventId, event.type);
  const draft = { factId, type: event.type, event, message: undefined, state: '', previousState: '' };
  return decodeFact(encodeFact(factOf(draft, 1n, STOP_MS + 902, '')));
};

test('H2 a fact of our own says when the event that caused it came, by the ID of that event or of its fact', () => {
  for (const cause of [stopId, factIdOf(stopId, 'message.received')])
    expect(factCausedBy(cause)).toMatchObject({ causeReceivedAtMs: STOP_MS, receivedAtMs: STOP_MS + 900 });
});

test('H2 a fact that nothing caused says so', () => {
  for (const none of [Buffer.alloc(0), Buffer.alloc(3)]) expect(factCausedBy(none).causeReceivedAtMs).toBe(0);
});

test('E3 a fact of a request that nobody vouches for says so, and no other one does', () => {
  // Would break: whoever can post to a source that only monitors could opt somebody in.
  const unverifiedBy = (note: string) => factCausedBy(Buffer.alloc(0), note).unverified;
  expect(unverifiedBy('unauthentic: signature.mismatch')).toBe(true);
  for (const note of ['', 'put together of 2 parts', 'it is not unauthentic: really'])
    expect(unverifiedBy(note)).toBeUndefined();
});
