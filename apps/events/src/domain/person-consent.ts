import { NO_SOURCE } from './intake.js';
import { placeMsOf, type LoggedEvent } from './project-event.js';

/** What compliance said last of a person. Times Unix milliseconds, 0 = never. */
export interface ConsentChange {
  readonly tenantId: Buffer;
  readonly personHash: Buffer;
  readonly optedOutAtMs: number;
  readonly optedInAtMs: number;
}

/** The service that decides about consent. */
const COMPLIANCE = 'compliance';

/**
 * What an event says about consent, or undefined. Only compliance's word counts: it knows which opt-in lifts what.
 * Latest times only: so the order in which they come does not matter.
 */
export function consentOf(event: LoggedEvent): ConsentChange | undefined {
  const { type, provider, sourceId, tenantId, personHash } = event;
  if (provider !== COMPLIANCE || !sourceId.equals(NO_SOURCE) || personHash === undefined) return undefined;
  const atMs = placeMsOf(event);
  if (type === 'consent.opted_out') return { tenantId, personHash, optedOutAtMs: atMs, optedInAtMs: 0 };
  if (type === 'consent.opted_in') return { tenantId, personHash, optedOutAtMs: 0, optedInAtMs: atMs };
  return undefined;
}

/** One change for each person, in the order of their keys: so two projectors cannot deadlock. */
export function mergeConsents(changes: readonly ConsentChange[]): ConsentChange[] {
  const merged = new Map<string, ConsentChange>();
  for (const change of changes) {
    const name = `${change.tenantId.toString('hex')}${change.personHash.toString('hex')}`;
    const known = merged.get(name) ?? change;
    merged.set(name, {
      ...change,
      optedOutAtMs: Math.max(known.optedOutAtMs, change.optedOutAtMs),
      optedInAtMs: Math.max(known.optedInAtMs, change.optedInAtMs),
    });
  }
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, change]) => change);
}
