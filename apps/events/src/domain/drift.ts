import type { LoggedEvent, Transition } from './project-event.js';

const UNRECOGNIZED_TYPE = 'event.unrecognized';
const TEXT_LENGTH_MAX = 128;

/** What came of one kind that nobody understood, for one reason. Times Unix milliseconds. */
export interface Drift {
  readonly tenantId: Buffer;
  readonly provider: string;
  /** The provider's own type; empty when it does not say. */
  readonly kind: string;
  readonly reason: string;
  readonly count: number;
  readonly firstSeenAtMs: number;
  readonly lastSeenAtMs: number;
  readonly firstEventId: Buffer;
  readonly lastEventId: Buffer;
}

export const isUnrecognized = ({ type }: Pick<LoggedEvent, 'type'>): boolean => type === UNRECOGNIZED_TYPE;

/** What of a batch was not understood, each kind and reason once. */
export function driftsOf(transitions: readonly Pick<Transition, 'event'>[]): Drift[] {
  const drifts = new Map<string, Drift>();
  for (const { event } of transitions) {
    if (!isUnrecognized(event)) continue;
    const drift = driftOf(event);
    const name = JSON.stringify([drift.tenantId.toString('hex'), drift.provider, drift.kind, drift.reason]);
    const known = drifts.get(name);
    drifts.set(name, known === undefined ? drift : merge(known, drift));
  }
  return [...drifts.values()];
}

function driftOf({ tenantId, provider, attributes, receivedAtMs, eventId }: LoggedEvent): Drift {
  return {
    tenantId,
    provider,
    kind: attributes.providerType.slice(0, TEXT_LENGTH_MAX),
    reason: attributes.note.slice(0, TEXT_LENGTH_MAX),
    count: 1,
    firstSeenAtMs: receivedAtMs,
    lastSeenAtMs: receivedAtMs,
    firstEventId: eventId,
    lastEventId: eventId,
  };
}

function merge(a: Drift, b: Drift): Drift {
  const [first, last] = a.firstSeenAtMs <= b.firstSeenAtMs ? [a, b] : [b, a];
  return {
    ...a,
    count: a.count + b.count,
    firstSeenAtMs: first.firstSeenAtMs,
    firstEventId: first.firstEventId,
    lastSeenAtMs: Math.max(a.lastSeenAtMs, b.lastSeenAtMs),
    lastEventId: last.lastSeenAtMs >= first.lastSeenAtMs ? last.lastEventId : first.lastEventId,
  };
}
