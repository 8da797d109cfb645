import { derivedUuid, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import { HASH_BYTES, type Person } from './person.js';
import { SIGNAL_KINDS, type SignalKind } from './consent-state.js';
import type { ScopedSignal } from './person-consent.js';
import { isSendChannel, SCOPE_ALL } from './suppression.js';

/** Signals about an address, and what is only remembered: no part of consent. */
export const OTHER_KINDS = ['help', 'complaint', 'hard_bounce', 'soft_bounce'] as const;
export type OtherKind = (typeof OTHER_KINDS)[number];

/** A signal as it is recorded: for ever, once for each event. */
export interface ObservedSignal extends Omit<ScopedSignal, 'kind'> {
  readonly kind: SignalKind | OtherKind;
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
  /** An opt-out in the person's own words, which somebody has to judge. */
  readonly isPhrase: boolean;
  /** Nobody vouches for its event. */
  readonly isUnverified?: boolean | undefined;
}

/** Whether it is part of consent. */
export const isConsentSignal = (signal: ObservedSignal): signal is ObservedSignal & ScopedSignal =>
  (SIGNAL_KINDS as readonly string[]).includes(signal.kind);

/** What this service reads of a fact, or of a signal that intake found. */
export interface SignalFact {
  readonly tenantId: Buffer;
  readonly eventId: Buffer;
  readonly personHash: Buffer;
  /** 16 bytes; empty or missing when it is about no message, or intake does not know which. */
  readonly messageId?: Buffer;
  readonly type: string;
  /** What became of that message. */
  readonly state?: string;
  readonly signal: string;
  readonly channel: string;
  /** What of the channel the signal is about: a program, or `all`; missing or empty = every channel. */
  readonly program?: string | undefined;
  readonly provider: string;
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  readonly storedAtMs: number;
  readonly traceparent: string;
  /** Nobody vouches for it: it may restrict what is sent, and never allow it. */
  readonly unverified?: boolean | undefined;
}

/** What of a fact tells whether it is urgent. */
export interface UrgencyFact extends Pick<SignalFact, 'type' | 'signal' | 'state' | 'channel'> {
  /** 16 bytes; zeros or empty: no source. */
  readonly sourceId: Buffer;
}

/** The person that the log knows by a hash. */
export type PersonOf = (tenantId: string, logHash: Buffer) => Person;

export const asTheLog: PersonOf = (tenantId, hash) => ({ tenantId, hash });

/** Facts about consent are our own doing; what they report has been recorded. */
const OWN_TYPES = 'consent.';
/** Of what comes through a source, the append writes these down as waiting. */
const HELD_BY_COMMIT: readonly string[] = ['opt_out', 'complaint', 'hard_bounce'];
const FACT_KINDS: readonly string[] = ['opt_out', 'opt_in', ...OTHER_KINDS];

/** The signal in a fact, or undefined when there is none, or nobody it could be about. */
export function signalOf(fact: SignalFact, who: PersonOf = asTheLog): ObservedSignal | undefined {
  const kind = kindOf(fact);
  // Ingress takes it out; what an older one let through counts for nothing either.
  if (kind === 'opt_in' && fact.unverified === true) return undefined;
  if (kind === undefined || fact.personHash.length !== HASH_BYTES || fact.type.startsWith(OWN_TYPES))
    return undefined;
  return observed(fact, kind, who);
}

/**
 * Whether somebody waits until it is written: an opt-in allows sends, a request for help is answered. What stops them is
 * in force with its commit (ADR 0010), if it came through a source; a soft bounce counts over days.
 */
export function isUrgent(fact: UrgencyFact): boolean {
  const kind = kindOf(fact);
  if (kind === undefined || kind === 'soft_bounce' || fact.type.startsWith(OWN_TYPES)) return false;
  return !HELD_BY_COMMIT.includes(kind) || fact.sourceId.every((byte) => byte === 0);
}

/** The same for a fact in which a signal was found some other way. */
export function observed(
  fact: SignalFact,
  kind: ObservedSignal['kind'],
  who: PersonOf = asTheLog,
): ObservedSignal {
  const { covers, program } = scopeOf(fact);
  return {
    ...{ id: signalIdOf(fact, kind), kind, atMs: signalTimeMs(fact), covers, program },
    person: who(uuidText(fact.tenantId), fact.personHash),
    channel: fact.channel,
    provider: fact.provider,
    eventId: uuidText(fact.eventId),
    actorId: '',
    traceparent: fact.traceparent,
    receivedAtMs: fact.receivedAtMs || fact.storedAtMs,
    isPhrase: false,
    isUnverified: fact.unverified === true ? true : undefined,
  };
}

/** STOP is for everything that reaches the person; the link in a mail is for more of what the link was in. */
const scopeOf = ({ channel, program = '' }: SignalFact): Pick<ScopedSignal, 'covers' | 'program'> =>
  program === '' || !isSendChannel(channel)
    ? { covers: 'all', program: SCOPE_ALL }
    : { covers: channel, program };

/** A message comes back once, however often a provider says so; what else is said counts by its event. */
function signalIdOf({ eventId, messageId }: SignalFact, kind: ObservedSignal['kind']): string {
  if (kind !== 'soft_bounce' || messageId === undefined || messageId.length === 0) return uuidText(eventId);
  return uuidText(derivedUuid(uuidTimeMs(messageId), messageId, kind));
}

function kindOf({
  signal,
  state,
  channel,
}: Pick<SignalFact, 'signal' | 'state' | 'channel'>): ObservedSignal['kind'] | undefined {
  if (FACT_KINDS.includes(signal)) return signal as ObservedSignal['kind'];
  // A mail that came back without a word whether for good: it counts as one that may come through next time.
  return signal === '' && state === 'undelivered' && channel === 'email' ? 'soft_bounce' : undefined;
}

/**
 * When it happened: the provider's time, else when it arrived; never after it arrived.
 * Why the bound: a provider whose clock is ahead must not make an opt-in outlive a later opt-out.
 */
export function signalTimeMs(fact: Pick<SignalFact, 'occurredAtMs' | 'receivedAtMs' | 'storedAtMs'>): number {
  const arrivedAtMs = fact.receivedAtMs || fact.storedAtMs;
  return Math.floor(fact.occurredAtMs > 0 ? Math.min(fact.occurredAtMs, arrivedAtMs) : arrivedAtMs);
}
