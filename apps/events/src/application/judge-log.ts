import { type StageView, troubleIf } from '@posthorn/server/stage-status.js';
import type { LogStatus } from '../persistence/status.read.js';

/** What is known of the log; rates are undefined in a process that has just started. */
export interface LogFacts {
  readonly log: LogStatus;
  readonly nowMs: number;
  readonly isAppendFailing: boolean;
  readonly isBrokerThere: boolean;
  readonly requestsPerSecond: number | undefined;
  readonly eventsPerSecond: number | undefined;
  readonly refusalsPerSecond: number | undefined;
  readonly factsPerSecond: number | undefined;
  readonly duplicatesPerSecond: number | undefined;
  readonly unrecognizedPerSecond: number | undefined;
}

/** An event is projected within milliseconds: what waits longer waits for something. */
const PROJECTION_LAG_MS_MAX = 10_000;
/** What was not understood that lately is still going on. */
const DRIFT_RECENT_MS = 15 * 60_000;
/** Fewer come from any provider that retries; and from anybody who scans. */
const DUPLICATES_PER_SECOND_MIN = 1;
const REFUSALS_PER_SECOND_MIN = 0.2;
/** Percent of all. */
const DUPLICATE_SHARE_MAX = 50;
const REFUSED_SHARE_MAX = 5;

const MS = 1_000;
const shareOf = (part: number, rest: number): number => (part === 0 ? 0 : (part / (part + rest)) * 100);

/** The stages of this service, and what is wrong with them. */
export function judgeLog(facts: LogFacts): StageView[] {
  return [
    intake(facts),
    append(facts),
    projection(facts),
    unrecognized(facts),
    quarantine(facts),
    publish(facts),
  ];
}

function intake({ requestsPerSecond, refusalsPerSecond = 0 }: LogFacts): StageView {
  const refused = shareOf(refusalsPerSecond, requestsPerSecond ?? 0);
  return {
    stage: 'intake',
    ratePerSecond: requestsPerSecond,
    troubles: troubleIf(
      refusalsPerSecond >= REFUSALS_PER_SECOND_MIN && refused > REFUSED_SHARE_MAX,
      'signatures',
      () =>
        `${Math.round(refused)} % of the requests of the last minute were refused (${refusalsPerSecond.toFixed(1)} a second)`,
    ),
  };
}

function append({ eventsPerSecond, duplicatesPerSecond = 0, isAppendFailing }: LogFacts): StageView {
  const again = shareOf(duplicatesPerSecond, eventsPerSecond ?? 0);
  return {
    stage: 'append',
    ratePerSecond: eventsPerSecond,
    troubles: [
      ...troubleIf(isAppendFailing, 'database', () => 'commits fail: providers are told to come again'),
      ...troubleIf(
        duplicatesPerSecond >= DUPLICATES_PER_SECOND_MIN && again > DUPLICATE_SHARE_MAX,
        'duplicates',
        () =>
          `${Math.round(again)} % of what came in the last minute had come before (${duplicatesPerSecond.toFixed(1)} a second)`,
      ),
    ],
  };
}

function projection({ log: { unprojected, parked }, nowMs, eventsPerSecond }: LogFacts): StageView {
  const { count, isMore, oldestAtMs } = unprojected;
  const lagMs = oldestAtMs === undefined ? 0 : Math.max(0, nowMs - oldestAtMs);
  const waiting = parked.isMore ? `more than ${parked.count}` : String(parked.count);
  return {
    stage: 'projection',
    ...{ depth: count, isMore, oldestAtMs, lagMs, ratePerSecond: eventsPerSecond },
    troubles: [
      ...troubleIf(
        lagMs > PROJECTION_LAG_MS_MAX,
        'backlog',
        () => `the oldest event has waited for ${Math.round(lagMs / MS)} s`,
      ),
      ...troubleIf(
        parked.count > 0,
        'backlog',
        () => `${waiting} events wait because their source is paused`,
      ),
    ],
  };
}

function unrecognized({ log, nowMs, unrecognizedPerSecond }: LogFacts): StageView {
  const { count, firstAtMs, lastAtMs } = log.unrecognized;
  return {
    stage: 'unrecognized',
    depth: count,
    oldestAtMs: count === 0 ? undefined : firstAtMs,
    ratePerSecond: unrecognizedPerSecond,
    troubles: troubleIf(
      count > 0 && nowMs - lastAtMs < DRIFT_RECENT_MS,
      'schema',
      () => `events come that nobody understands, the last one ${Math.round((nowMs - lastAtMs) / MS)} s ago`,
    ),
  };
}

function quarantine({ log: { quarantined } }: LogFacts): StageView {
  const { count, isMore, oldestAtMs } = quarantined;
  return {
    stage: 'quarantine',
    ...{ depth: count, isMore, oldestAtMs },
    troubles: troubleIf(
      count > 0,
      'quarantine',
      () => 'events that could not be projected, or that a schema set aside, wait for a person',
    ),
  };
}

const publish = ({ factsPerSecond, isBrokerThere }: LogFacts): StageView => ({
  stage: 'publish',
  ratePerSecond: factsPerSecond,
  troubles: troubleIf(
    !isBrokerThere,
    'broker',
    () => 'the broker is not reached: consumers fetch facts from the log, later and dearer',
  ),
});
