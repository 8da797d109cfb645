import { type Command } from './command.js';

/** What is to be done about a command that is due. */
export type CommandStep = 'expire' | 'send' | 'settle' | 'ask';

/**
 * The next step of a due command.
 * One that is still `sending` when it becomes due has nobody any more who waits for its answer: it is settled as
 * indeterminate. What may have left does not expire: its outcome is still to be found out.
 */
export function nextStep(
  { state, notAfterMs }: Pick<Command, 'state' | 'notAfterMs'>,
  nowMs: number,
): CommandStep {
  if (state === 'sending') return 'settle';
  if (state === 'indeterminate') return 'ask';
  return nowMs >= notAfterMs ? 'expire' : 'send';
}

/** How long a permit is good for, from the moment it was asked for, by our own clock. */
export const PERMIT_VALID_MS = 400;

/** What an adapter promises about time; milliseconds. */
export interface WireTimes {
  readonly timeoutMs: number;
  readonly visibilityLagMs: number;
}

/** For clocks, and for the commit that tells the outcome. */
const SETTLE_MARGIN_MS = 1_000;

/** When an attempt that began then, and of which nothing was heard, has nobody any more who waits for it. */
export const settleAtMs = (sentAtMs: number, { timeoutMs }: WireTimes): number =>
  sentAtMs + PERMIT_VALID_MS + timeoutMs + SETTLE_MARGIN_MS;

/** From when on the provider's "not found" is final. */
export const notFoundIsFinalAtMs = (sentAtMs: number, { timeoutMs, visibilityLagMs }: WireTimes): number =>
  sentAtMs + PERMIT_VALID_MS + timeoutMs + visibilityLagMs;
