import { capsOf, reachedCap } from './frequency-caps.js';
import { closedAt, nextOpenMs, openingsOf, type Opening } from './quiet-hours.js';
import { candidatesOf, type Candidate } from './recipient-places.js';
import {
  answerOf,
  deniedByCarrier,
  deniedConfirmation,
  denyClosedWindow,
  denySuppressed,
  denyUnconsented,
} from './recipient-rules.js';
import type { Decision, SendFacts } from './send-facts.js';
import { QUIET_CHANNELS } from './tenant-policy.js';

export type { Decision, SendFacts } from './send-facts.js';

/** When to ask again what is not about the recipient. */
export const PAUSED_RETRY_MS = 30_000;
export const BEHIND_RETRY_MS = 1_000;
export const PENDING_RETRY_MS = 1_000;

/**
 * Whether this message may be sent, now. The first rule that speaks against it decides, in the order: sending as a
 * whole, the recipient's wish, consent, the channel, how often, when.
 * @param candidates where the recipient may be.
 */
export function decide(facts: SendFacts, candidates = candidatesOf(facts)): Decision {
  return askAgain(facts) ?? decideRecipient(facts, candidates);
}

/** Whether the hours of where the recipient is hold for a message. */
export const hasHours = ({ category, channel, policy: { quietHours } }: Judged): boolean =>
  (category === 'marketing' || quietHours.isTransactionalQuiet) &&
  (QUIET_CHANNELS.includes(channel) || quietHours.channels.includes(channel));

type Judged = Pick<SendFacts, 'category' | 'channel' | 'policy'>;

/** What holds for every message of the moment, or ends by itself within it. */
function askAgain(facts: SendFacts): Decision | undefined {
  if (facts.isSendingPaused) {
    return defer('sends.paused', 'Sending is paused.', facts.nowMs + PAUSED_RETRY_MS);
  }
  if (!facts.isCaughtUp) {
    return defer('compliance.behind', 'Not all opt-outs are known yet.', facts.nowMs + BEHIND_RETRY_MS);
  }
  if (facts.isAnsweredUnknown) {
    return defer(
      'opt_out.answer_unknown',
      'What it answers is not known yet.',
      facts.nowMs + PENDING_RETRY_MS,
    );
  }
  if (!facts.isPendingOptOut) return undefined;
  const detail = 'An opt-out of the recipient is being applied.';
  // An answer to it may leave as soon as it is in force.
  return answerOf(facts) === undefined
    ? { kind: 'deny', rule: 'opt_out.pending', detail }
    : defer('opt_out.pending', detail, facts.nowMs + PENDING_RETRY_MS);
}

function decideRecipient(facts: SendFacts, candidates: readonly Candidate[]): Decision {
  const places = [...new Set(candidates.map(({ place }) => place))];
  const answer = answerOf(facts);
  const denial =
    deniedByCarrier(facts) ??
    (answer === undefined ? deniedConfirmation(facts) : undefined) ??
    denySuppressed(facts, places, answer) ??
    denyUnconsented(facts, places) ??
    denyClosedWindow(facts);
  if (denial !== undefined) return denial;
  if (answer !== undefined) return { kind: 'allow', rule: answer };
  return decideTime(facts, candidates, places);
}

function decideTime(facts: SendFacts, candidates: readonly Candidate[], places: readonly string[]): Decision {
  const { category, nowMs, policy, sentRecently } = facts;
  const isMarketing = category === 'marketing';
  const isTimed = hasHours(facts);
  if (isTimed && candidates.length === 0) {
    const detail = 'Neither time zone, postal code, number nor country tells where the recipient is.';
    return { kind: 'deny', rule: 'recipient.unknown_place', detail };
  }
  const caps = isMarketing ? capsOf(isTimed ? places : [], policy.caps) : [];
  const cap = reachedCap(caps, sentRecently, nowMs);
  const openings = isTimed ? openingsOf(candidates, policy) : [];
  if (cap !== undefined) {
    const detail = `${cap.count} messages in ${cap.windowHours} hours were sent.`;
    return deferToOpening(openings, cap.rule, detail, cap.untilMs);
  }
  const closed = closedAt(openings, nowMs);
  if (closed !== undefined) return deferToOpening(openings, closed.rule, describe(closed), nowMs);
  return { kind: 'allow', rule: isMarketing ? 'consent.opted_in' : 'category.transactional' };
}

function deferToOpening(
  openings: readonly Opening[],
  rule: string,
  detail: string,
  fromMs: number,
): Decision {
  const untilMs = nextOpenMs(openings, fromMs);
  if (untilMs !== undefined) return defer(rule, detail, untilMs);
  return { kind: 'deny', rule, detail: `${detail} No moment of the next days is allowed by all rules.` };
}

const defer = (rule: string, detail: string, untilMs: number): Decision => ({
  kind: 'defer',
  rule,
  detail,
  untilMs,
});

const describe = ({ place, zone }: Opening): string => `Closed at this time in ${place} (${zone}).`;
