import { outcomeOf } from '../load/history.js';
import { type Evidence, type Violation } from './evidence.js';
import { judgeDeliveries, judgeOrder } from './judge-deliveries.js';
import { judgeEffects } from './judge-effects.js';
import { judgeIntake } from './judge-intake.js';
import { judgeTenants } from './judge-tenants.js';

const FINISHED = new Set(['succeeded', 'dead', 'suppressed', 'canceled']);

/** The balance of I7, at one moment. */
export interface Balance {
  readonly accepted: number;
  /** Stored events without any effect yet. */
  readonly pendingEvents: number;
  readonly pendingDeliveries: number;
  readonly quarantined: number;
  /** Deliveries that ended without success. */
  readonly dead: number;
}

/** What a run came to. */
export interface Verdict {
  readonly violations: readonly Violation[];
  readonly balance: Balance;
  readonly acked: number;
  readonly unknown: number;
  readonly refused: number;
  /** Requests, each counted once. */
  readonly stored: number;
  /** Deliveries, each counted once. */
  readonly delivered: number;
  /** Receipts beyond the first of a delivery: allowed, and counted. */
  readonly repeats: number;
  /** Attempts of the sender beyond the first of a request. */
  readonly resent: number;
  readonly lost: number;
  readonly doubled: number;
}

/** Judges a run that should be over: whatever is still pending is a violation. */
export function judge(evidence: Evidence): Verdict {
  const balance = balanceOf(evidence);
  const violations = [
    ...judgeIntake(evidence),
    ...judgeEffects(evidence),
    ...judgeDeliveries(evidence),
    ...judgeOrder(evidence),
    ...judgeTenants(evidence),
    ...judgeBalance(balance),
  ];
  const { sent, stored, receipts } = evidence;
  const outcomes = sent.map(outcomeOf);
  const taken = receipts.filter(({ status }) => status >= 200 && status < 300);
  const delivered = new Set(taken.map(({ webhookId, destination }) => `${webhookId} ${destination}`)).size;
  const isLoss = ({ what }: Violation): boolean =>
    /not stored|without all|not handed|never took|missing/.test(what);
  const isDouble = ({ what }: Violation): boolean => /twice|more than once|more events|repeats/.test(what);
  return {
    violations,
    balance,
    acked: outcomes.filter((outcome) => outcome === 'acked').length,
    unknown: outcomes.filter((outcome) => outcome === 'unknown').length,
    refused: outcomes.filter((outcome) => outcome === 'refused').length,
    stored: new Set(stored.raws.map(({ content }) => content?.bodyHash)).size,
    delivered,
    repeats: taken.length - delivered,
    resent: sent.reduce((count, { attempts }) => count + Math.max(0, attempts.length - 1), 0),
    lost: violations.filter(isLoss).length,
    doubled: violations.filter(isDouble).length,
  };
}

/** I7: accepted = done + quarantined + pending, and every delivery done, dead or pending. */
export function balanceOf({ stored }: Pick<Evidence, 'stored'>): Balance {
  const done = new Set(
    [...stored.transitions, ...stored.facts, ...stored.quarantined].map(({ event }) => event),
  );
  return {
    accepted: stored.events.length,
    pendingEvents: stored.events.filter(({ event }) => !done.has(event)).length,
    pendingDeliveries: stored.deliveries.filter(({ state }) => !FINISHED.has(state)).length,
    quarantined: stored.quarantined.length,
    dead: stored.deliveries.filter(({ state }) => FINISHED.has(state) && state !== 'succeeded').length,
  };
}

function judgeBalance({ pendingEvents, pendingDeliveries, quarantined, dead }: Balance): Violation[] {
  const counts: readonly [number, string][] = [
    [pendingEvents, 'events are stored but never had an effect'],
    [pendingDeliveries, 'deliveries are still pending'],
    [quarantined, 'events are in quarantine, and no test put them there'],
    [dead, 'deliveries ended without success, and no receiver refused them for good'],
  ];
  return counts.flatMap(([count, what]): Violation[] =>
    count === 0 ? [] : [{ invariant: 'I7', what, subject: String(count) }],
  );
}
