import { uuidText } from '@posthorn/clock/id.js';
import { HASH_BYTES, type Person } from './person.js';
import type { ConsentSignal } from './consent-state.js';

/** An opt-out or opt-in as it is recorded: for ever, once for each event. */
export interface ObservedSignal extends ConsentSignal {
  readonly kind: 'opt_out' | 'opt_in';
  readonly person: Person;
  /** The channel it came by; empty when that is not known. */
  readonly channel: string;
  readonly provider: string;
  /** UUID text of the event; undefined when a member of staff entered it. */
  readonly eventId: string | undefined;
  /** `key_…` of the member of staff; empty for an event. */
  readonly actorId: string;
  readonly traceparent: string;
  /** When we got it; Unix milliseconds. */
  readonly receivedAtMs: number;
}

/** What this service reads of a fact. */
export interface SignalFact {
  readonly tenantId: Buffer;
  readonly eventId: Buffer;
  readonly personHash: Buffer;
  readonly type: string;
  readonly signal: string;
  readonly channel: string;
  readonly provider: string;
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  readonly storedAtMs: number;
  readonly traceparent: string;
}

/** Facts about consent are our own doing; what they report has been recorded. */
const OWN_TYPES = 'consent.';

/** The signal in a fact, or undefined when there is none, or nobody it could be about. */
export function signalOf(fact: SignalFact): ObservedSignal | undefined {
  const { signal, personHash, type } = fact;
  if (signal !== 'opt_out' && signal !== 'opt_in') return undefined;
  if (personHash.length !== HASH_BYTES || type.startsWith(OWN_TYPES)) return undefined;
  const eventId = uuidText(fact.eventId);
  return {
    id: eventId,
    kind: signal,
    atMs: signalTimeMs(fact),
    person: { tenantId: uuidText(fact.tenantId), hash: personHash },
    channel: fact.channel,
    provider: fact.provider,
    eventId,
    actorId: '',
    traceparent: fact.traceparent,
    receivedAtMs: fact.receivedAtMs || fact.storedAtMs,
  };
}

/**
 * When it happened: the provider's time, else when it arrived; never after it arrived.
 * Why the bound: a provider whose clock is ahead must not make an opt-in outlive a later opt-out.
 */
export function signalTimeMs(fact: Pick<SignalFact, 'occurredAtMs' | 'receivedAtMs' | 'storedAtMs'>): number {
  const arrivedAtMs = fact.receivedAtMs || fact.storedAtMs;
  return Math.floor(fact.occurredAtMs > 0 ? Math.min(fact.occurredAtMs, arrivedAtMs) : arrivedAtMs);
}
