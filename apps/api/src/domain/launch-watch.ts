import { RUNBOOKS, type Wrong } from './overview.js';

const DAY_MS = 86_400_000;
/** So long a source is watched after it was made. */
export const LAUNCH_WATCH_MS = 30 * DAY_MS;
/** Percent of events that may have come before: providers repeat what they think was lost. */
const DUPLICATE_SHARE_MAX = 20;
/** Percent of events. */
const UNRECOGNIZED_SHARE_MAX = 1;
/** Percent: so many events may need a person. */
const MANUAL_SHARE_MAX = 1;
/** What waits longer waits for something. */
const LAG_MS_MAX = 60_000;
/** A share of fewer events says nothing. */
const EVENTS_MIN = 20;

/** What is known of a source since it was made; undefined = the service that knows does not answer. */
export interface LaunchFacts {
  readonly events: number | undefined;
  readonly duplicates: number | undefined;
  readonly unrecognized: number | undefined;
  readonly waiting: number | undefined;
  /** Unix milliseconds of the oldest that waits. */
  readonly waitingSinceMs: number | undefined;
  readonly deadLetters: number | undefined;
  /** Acts of people; of its whole tenant, since the source was made. */
  readonly manualSteps: number | undefined;
}

/** Shares in percent of all events that came. */
export interface LaunchVerdict {
  readonly duplicateShare: number | undefined;
  readonly manualShare: number | undefined;
  readonly lagMs: number | undefined;
  readonly wrong: readonly Wrong[];
}

/** How a new source does. */
export function judgeLaunch(facts: LaunchFacts, nowMs: number): LaunchVerdict {
  const { events, duplicates, unrecognized, waitingSinceMs, deadLetters, manualSteps } = facts;
  const came = events === undefined ? undefined : events + (duplicates ?? 0);
  const duplicateShare = shareOf(duplicates, came);
  const manualShare = shareOf(manualSteps, events);
  const unrecognizedShare = shareOf(unrecognized, events);
  const lagMs =
    facts.waiting === undefined ? undefined : waitingSinceMs === undefined ? 0 : nowMs - waitingSinceMs;
  const counts = came !== undefined && came >= EVENTS_MIN;
  return {
    ...{ duplicateShare, manualShare, lagMs },
    wrong: [
      ...wrongIf(
        counts && over(duplicateShare, DUPLICATE_SHARE_MAX),
        'duplicates',
        `${duplicateShare} % came twice`,
      ),
      ...wrongIf(
        counts && over(unrecognizedShare, UNRECOGNIZED_SHARE_MAX),
        'schema',
        `${unrecognizedShare} % were not understood`,
      ),
      ...wrongIf(
        over(lagMs, LAG_MS_MAX),
        'backlog',
        `events have waited for ${Math.round((lagMs ?? 0) / 1_000)} s`,
      ),
      ...wrongIf(over(deadLetters, 0), 'destination', `${deadLetters} dead letters`),
      ...wrongIf(
        counts && over(manualShare, MANUAL_SHARE_MAX),
        'quarantine',
        `${manualShare} % needed a person`,
      ),
    ],
  };
}

const over = (value: number | undefined, max: number): boolean => value !== undefined && value > max;

/** Percent with one digit; undefined when there is nothing to share. */
function shareOf(part: number | undefined, whole: number | undefined): number | undefined {
  if (part === undefined || whole === undefined || whole === 0) return undefined;
  return Math.round((Math.min(part, whole) / whole) * 1_000) / 10;
}

const wrongIf = (isWrong: boolean, kind: string, what: string): Wrong[] =>
  isWrong ? [{ what, runbook: RUNBOOKS[kind]! }] : [];
