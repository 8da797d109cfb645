import { uuidText } from '@posthorn/clock/id.js';
import { asTheLog, signalTimeMs, type PersonOf, type SignalFact } from './observed-signal.js';
import { HASH_BYTES, type Person } from './person.js';

/** A mail came through: its address works. */
export interface MailDelivery {
  readonly person: Person;
  readonly atMs: number;
  /** UUID text. */
  readonly eventId: string;
  readonly traceparent: string;
}

/** Who has read it got it. */
const STATES: readonly string[] = ['delivered', 'read'];

/**
 * The mail that a fact says came through, or undefined.
 * Why not one that nobody vouches for: a forged delivery would have a dead address written to again.
 */
export function deliveryOf(fact: SignalFact, who: PersonOf = asTheLog): MailDelivery | undefined {
  const { channel, state = '', personHash, tenantId, eventId, traceparent } = fact;
  if (
    fact.unverified === true ||
    channel !== 'email' ||
    !STATES.includes(state) ||
    personHash.length !== HASH_BYTES
  )
    return undefined;
  return {
    person: who(uuidText(tenantId), personHash),
    ...{ atMs: signalTimeMs(fact), eventId: uuidText(eventId), traceparent },
  };
}
