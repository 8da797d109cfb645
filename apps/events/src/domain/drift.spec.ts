import { newUuid } from '@posthorn/clock/id.js';
import fc from 'fast-check';
import { driftsOf } from './drift.js';
import type { LoggedEvent } from './project-event.js';

const tenants = [newUuid(1), newUuid(2)] as const;
const event = fc.record({
  tenant: fc.constantFrom(0, 1),
  provider: fc.constantFrom('twilio', 'telnyx'),
  kind: fc.constantFrom('', 'a', 'b'),
  reason: fc.constantFrom('', 'unknown type'),
  type: fc.constantFrom('event.unrecognized', 'message.sent'),
  receivedAtMs: fc.integer({ min: 1, max: 50 }),
});

test('A8 each kind and reason is counted once per event, with its first and last time, in any order', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (facts) => {
      const events = facts.map(
        ({ tenant, provider, kind, reason, type, receivedAtMs }) =>
          ({
            eventId: newUuid(receivedAtMs),
            tenantId: tenants[tenant as 0 | 1],
            provider,
            type,
            receivedAtMs,
            attributes: { providerType: kind, note: reason },
          }) as LoggedEvent,
      );
      const drifts = driftsOf(events.map((one) => ({ event: one })));
      const unknown = events.filter(({ type }) => type === 'event.unrecognized');
      expect(drifts.reduce((sum, { count }) => sum + count, 0)).toBe(unknown.length);
      for (const drift of drifts) {
        const own = unknown.filter(
          ({ tenantId, provider, attributes }) =>
            tenantId === drift.tenantId &&
            provider === drift.provider &&
            attributes.providerType === drift.kind &&
            attributes.note === drift.reason,
        );
        const times = own.map(({ receivedAtMs }) => receivedAtMs);
        expect(own).toHaveLength(drift.count);
        expect([drift.firstSeenAtMs, drift.lastSeenAtMs]).toEqual([Math.min(...times), Math.max(...times)]);
        const timeOf = (id: Buffer) => own.find(({ eventId }) => eventId === id)?.receivedAtMs;
        expect([timeOf(drift.firstEventId), timeOf(drift.lastEventId)]).toEqual([
          drift.firstSeenAtMs,
          drift.lastSeenAtMs,
        ]);
      }
    }),
  );
});
