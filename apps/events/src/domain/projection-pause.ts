/** How much of the machine intake wants. */
export type Pressure = 'none' | 'some' | 'high';

/** What a step of the projector was like. Milliseconds. */
export interface ProjectedStep {
  readonly tookMs: number;
  /** More is known to wait. */
  readonly hasMore: boolean;
  /** Of the oldest event in it; 0 = none was. */
  readonly backlogAgeMs: number;
}

const FACTOR = 1;
export const PAUSE_MS_MAX = 10;
const BURST_FACTOR = 3;
const BURST_PAUSE_MS_MAX = 300;
/** What waits longer than a burst lasts is no burst: from then on projection gets half of the time. */
export const BURST_MS_MAX = 30_000;

/**
 * How long the projector rests after a step, in milliseconds. Intake goes first, but never alone: as long as the step
 * took while intake is busy, and three times longer while it has more to do than it can. Steps then find more events,
 * and each event costs less.
 */
export function pauseAfter({ tookMs, hasMore, backlogAgeMs }: ProjectedStep, pressure: Pressure): number {
  if (pressure === 'high')
    return Math.min(BURST_PAUSE_MS_MAX, tookMs * (backlogAgeMs > BURST_MS_MAX ? FACTOR : BURST_FACTOR));
  return pressure === 'some' && !hasMore ? Math.min(PAUSE_MS_MAX, tookMs * FACTOR) : 0;
}
