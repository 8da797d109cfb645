import type { ReportedState } from './message-state.js';

const HOUR_MS = 60 * 60 * 1_000;
const WINDOW_MS_DEFAULT = 72 * HOUR_MS;

/**
 * How long after its last change a message may still come to an end by itself.
 * Source: carriers' validity periods of 72 h at most; 30 days of a chat message that waits for a phone to be
 * switched on; four weeks that push services keep a message. Collected 2026-11.
 */
const WINDOW_MS: Readonly<Record<string, number>> = {
  sms: 72 * HOUR_MS,
  email: 72 * HOUR_MS,
  chat: 30 * 24 * HOUR_MS,
  push: 28 * 24 * HOUR_MS,
};

/** States that nobody will tell more about unless the provider does. */
const PROVIDERS_TURN: ReadonlySet<string> = new Set<ReportedState>([
  ...(['accepted', 'queued', 'sending', 'sent', 'indeterminate'] as const),
]);
/** States that end by our own doing: not judged, but not forgotten. */
const OUR_TURN: ReadonlySet<string> = new Set<ReportedState>(['scheduled', 'deferred']);

/** States that are no end. */
export const OPEN_STATES: readonly string[] = [...PROVIDERS_TURN, ...OUR_TURN];

/** What is to be done about a message: nothing any more, look again, or say that nobody knows. */
export type WatchVerdict =
  | { readonly kind: 'done' }
  | { readonly kind: 'later'; readonly dueAtMs: number }
  | { readonly kind: 'unknown'; readonly windowHours: number };

/** Judges one message by its state and the time of its last change. */
export function judgeWatch(
  { state, channel, stateChangedAtMs }: { state: string; channel: string; stateChangedAtMs: number },
  nowMs: number,
): WatchVerdict {
  const windowMs = WINDOW_MS[channel] ?? WINDOW_MS_DEFAULT;
  if (OUR_TURN.has(state)) return { kind: 'later', dueAtMs: nowMs + windowMs };
  if (!PROVIDERS_TURN.has(state)) return { kind: 'done' };
  const dueAtMs = stateChangedAtMs + windowMs;
  return dueAtMs <= nowMs ? { kind: 'unknown', windowHours: windowMs / HOUR_MS } : { kind: 'later', dueAtMs };
}
