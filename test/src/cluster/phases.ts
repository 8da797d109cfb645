import { type SentRequest } from '../load/history.js';

/** One thing that is done to the platform under load. Times are monotonic milliseconds. */
export interface Phase {
  readonly name: string;
  readonly startMs: number;
  /** A door was killed: requests that it held are cut. */
  readonly isCutting: boolean;
}

/** How the doors answered while one thing was done. */
export interface PhaseAnswers {
  readonly phase: Phase;
  readonly answers: number;
  /** 503: documented, and the sender comes again. */
  readonly unavailable: number;
  /** Without any answer. */
  readonly cut: number;
  /** Neither an acknowledgement nor one of these. */
  readonly refused: number;
  readonly slowestMs: number;
}

/** Sorts the attempts of all well signed requests by the phase in which they left. @param phases in order; the first takes what was before it. */
export function answersByPhase(phases: readonly Phase[], requests: readonly SentRequest[]): PhaseAnswers[] {
  const counts = phases.map((phase) => ({
    ...{ phase, answers: 0, unavailable: 0, cut: 0, refused: 0, slowestMs: 0 },
  }));
  for (const { isForged, attempts } of requests) {
    if (isForged) continue;
    for (const { sentMs, answeredMs, status } of attempts) {
      const at = phases.findLastIndex(({ startMs }) => startMs <= sentMs);
      const count = counts[Math.max(0, at)]!;
      if (status === 0) count.cut++;
      else {
        count.answers++;
        count.slowestMs = Math.max(count.slowestMs, answeredMs - sentMs);
        if (status === 503) count.unavailable++;
        else if (status >= 300) count.refused++;
      }
    }
  }
  return counts;
}

/** What must not have been. */
export function problemsOf(answers: readonly PhaseAnswers[]): string[] {
  return answers.flatMap(({ phase, answers: count, cut, refused }) => [
    ...(count === 0 ? [`${phase.name}: nothing was answered, so nothing was tried`] : []),
    ...(refused > 0 ? [`${phase.name}: ${refused} requests were refused with other than 503`] : []),
    ...(cut > 0 && !phase.isCutting ? [`${phase.name}: ${cut} requests had no answer`] : []),
  ]);
}
