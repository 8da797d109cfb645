import { CAPS } from './jurisdictions.js';
import { lawsOf } from './place-tables.js';
import type { FrequencyCap } from './tenant-policy.js';

const HOUR_MS = 3_600_000;

interface Cap extends FrequencyCap {
  readonly rule: string;
}

/** The caps of the law in any of the places, then the tenant's. */
export function capsOf(places: readonly string[], own: readonly FrequencyCap[]): readonly Cap[] {
  const laws = new Set(places.flatMap(lawsOf));
  return [
    ...CAPS.filter(({ place }) => laws.has(place)),
    ...own.map((cap) => ({ ...cap, rule: 'policy.frequency' })),
  ];
}

/** A cap that is reached, and when it no longer is. */
export interface ReachedCap extends Cap {
  readonly untilMs: number;
}

/** The reached cap that lasts longest, undefined when none is. @param sent times of earlier messages, any order. */
export function reachedCap(
  caps: readonly Cap[],
  sent: readonly number[],
  nowMs: number,
): ReachedCap | undefined {
  const sorted = [...sent].sort((a, b) => a - b);
  let longest: ReachedCap | undefined;
  for (const cap of caps) {
    const windowMs = cap.windowHours * HOUR_MS;
    const inWindow = sorted.filter((atMs) => atMs > nowMs - windowMs);
    if (inWindow.length < cap.count) continue;
    const untilMs = inWindow[inWindow.length - cap.count]! + windowMs;
    if (longest === undefined || untilMs > longest.untilMs) longest = { ...cap, untilMs };
  }
  return longest;
}
