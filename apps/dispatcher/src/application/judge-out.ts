import { type StageView, troubleIf } from '@posthorn/server/stage-status.js';
import { type OutStatus, STATUS_COUNT_MAX } from '../persistence/status.read.js';

/** What is known of what goes out; rates are undefined in a process that has just started. */
export interface OutFacts {
  readonly out: OutStatus;
  readonly nowMs: number;
  /** Facts that are not deliveries yet; undefined when events does not say. */
  readonly factsBehind: number | undefined;
  /** Destinations that are left alone for a while; of this process. */
  readonly breakers: number;
  readonly attemptsPerSecond: number | undefined;
  readonly sendsPerSecond: number | undefined;
}

/** A delivery that was tried takes the next attempt within seconds: what is open for longer keeps failing. */
export const RETRYING_MS_MAX = 60_000;
/** What died that lately is still going on. */
export const DEAD_RECENT_MS = 15 * 60_000;
/** Of facts: a burst is worked off within seconds. */
const FACTS_BEHIND_MAX = 5_000;

const MS = 1_000;
const isFull = (count: number): boolean => count >= STATUS_COUNT_MAX;

/** The stages of this service, and what is wrong with them. */
export const judgeOut = (facts: OutFacts): StageView[] => [
  deliveries(facts),
  deadLetters(facts),
  sends(facts),
];

function deliveries({ out, nowMs, breakers, factsBehind, attemptsPerSecond }: OutFacts): StageView {
  const { open, oldestAtMs, retrying, retryingSinceMs } = out.deliveries;
  const failingMs = retryingSinceMs === undefined ? 0 : nowMs - retryingSinceMs;
  return {
    stage: 'deliveries',
    ...{ depth: open, isMore: isFull(open), oldestAtMs, ratePerSecond: attemptsPerSecond },
    lagMs: oldestAtMs === undefined ? 0 : Math.max(0, nowMs - oldestAtMs),
    troubles: [
      ...troubleIf(
        breakers > 0,
        'destination',
        () => `${breakers} destinations are paused: they keep failing`,
      ),
      ...troubleIf(
        failingMs > RETRYING_MS_MAX,
        'destination',
        () => `${retrying} deliveries are tried again, the oldest for ${Math.round(failingMs / MS)} s`,
      ),
      ...troubleIf(
        factsBehind !== undefined && factsBehind > FACTS_BEHIND_MAX,
        'backlog',
        () => `${factsBehind} facts are not deliveries yet`,
      ),
    ],
  };
}

const deadLetters = ({ out: { dead } }: OutFacts): StageView => ({
  stage: 'dead_letters',
  ...{ depth: dead.count, isMore: isFull(dead.count), oldestAtMs: dead.oldestAtMs },
  troubles: [
    ...troubleIf(
      dead.recent > 0,
      'destination',
      () => `${dead.recent} deliveries ran out of attempts in the last ${DEAD_RECENT_MS / MS / 60} min`,
    ),
    // Those of now may be among the ones that were not looked at.
    ...troubleIf(
      dead.recent === 0 && isFull(dead.count),
      'destination',
      () => `${dead.count} or more deliveries ran out of attempts; whether some did just now is not known`,
    ),
  ],
});

function sends({ out: { commands }, sendsPerSecond }: OutFacts): StageView {
  const { open, oldestAtMs, indeterminate, retrying } = commands;
  return {
    stage: 'sends',
    ...{ depth: open, isMore: isFull(open), oldestAtMs, ratePerSecond: sendsPerSecond },
    troubles: [
      ...troubleIf(retrying > 0, 'provider', () => `${retrying} messages were not taken and are tried again`),
      ...troubleIf(
        indeterminate > 0,
        'provider',
        () => `of ${indeterminate} messages nobody knows whether their provider took them`,
      ),
    ],
  };
}
