import type { ConsentStatus } from './consent-state.js';
import { stateAt, type ScopedSignal } from './person-consent.js';
import {
  isSendChannel,
  OPT_OUT_REASONS,
  SCOPE_ALL,
  type SendChannel,
  type Suppression,
} from './suppression.js';

/** What of a suppression decides. */
export type SuppressionMark = Pick<Suppression, 'channel' | 'scope' | 'reason'>;

/** The status as others see it. @param suppressions those of the person in force. @param asOfMs see `consentOf`. */
export function statusAt(
  signals: readonly ScopedSignal[],
  suppressions: readonly SuppressionMark[],
  channel: SendChannel,
  program: string,
  asOfMs?: number,
): ConsentStatus {
  const state = stateAt(signals, channel, program, asOfMs);
  if (state === 'opted_out') return state;
  const isSuppressed = suppressions.some(
    (one) =>
      !OPT_OUT_REASONS.includes(one.reason) &&
      (one.channel === 'all' || one.channel === channel) &&
      (one.scope === SCOPE_ALL || one.scope === program),
  );
  if (isSuppressed) return 'suppressed';
  return state === 'lifted' ? 'unknown' : state;
}

/** Of an entry for all channels: where the person stands on the channel that is most closed. */
export function entryStatus(
  signals: readonly ScopedSignal[],
  suppressions: readonly SuppressionMark[],
  channel: string,
  program: string,
  asOfMs?: number,
): ConsentStatus {
  if (isSendChannel(channel)) return statusAt(signals, suppressions, channel, program, asOfMs);
  const all = (['sms', 'email', 'chat', 'push'] as const).map((one) =>
    statusAt(signals, suppressions, one, program, asOfMs),
  );
  return CLOSED_FIRST.find((status) => all.includes(status))!;
}

const CLOSED_FIRST: readonly ConsentStatus[] = ['opted_out', 'suppressed', 'unknown', 'pending', 'opted_in'];
