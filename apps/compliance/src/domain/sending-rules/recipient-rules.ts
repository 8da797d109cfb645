import { CONSENT } from './consent-rules.js';
import { REVOKE_ALL_FROM_MS, REVOKE_ALL_PLACE } from './jurisdictions.js';
import { lawsOf } from './place-tables.js';
import type { Decision, SendFacts, SuppressionFact } from './send-facts.js';
import { isReason, OPT_OUT_REASONS, SCOPE_ALL } from '../suppression.js';

type Denial = Extract<Decision, { kind: 'deny' }>;

const deny = (rule: string, detail: string): Denial => ({ kind: 'deny', rule, detail });

/** How long after an opt-out its one confirmation may leave. Source: 47 CFR 64.1200(a)(12). */
export const CONFIRMATION_WINDOW_MS = 300_000;
/** How long after HELP its answer may leave; later it is a message of its own. */
export const HELP_WINDOW_MS = 300_000;

/** Why a message may leave although its recipient opted out; undefined when nothing allows it. */
export type Answer = 'opt_out.confirmation' | 'opt_out.help_answer';

export function answerOf(facts: SendFacts): Answer | undefined {
  const { nowMs, category, answersOptOut, answersHelp } = facts;
  if (category !== 'transactional') return undefined;
  if (answersOptOut !== undefined) {
    const isInTime = nowMs <= answersOptOut.optedOutAtMs + CONFIRMATION_WINDOW_MS;
    return isInTime && !answersOptOut.isConfirmationUsed ? 'opt_out.confirmation' : undefined;
  }
  if (answersHelp === undefined || answersHelp.isAnswerUsed) return undefined;
  return nowMs <= answersHelp.askedAtMs + HELP_WINDOW_MS ? 'opt_out.help_answer' : undefined;
}

/** An answer that somebody else has given already. Source: CTIA and FCC, one confirmation of an opt-out (47 CFR 64.1200(a)(12)). */
export function deniedByCarrier({
  answersOptOut,
  answersHelp,
  carrierReplies,
}: SendFacts): Denial | undefined {
  if (answersOptOut !== undefined && carrierReplies.includes('opt_out'))
    return deny('opt_out.carrier_confirms', 'The carrier or the provider confirms opt-outs by itself.');
  if (answersHelp !== undefined && carrierReplies.includes('help'))
    return deny('opt_out.carrier_answers_help', 'The carrier or the provider answers HELP by itself.');
  return undefined;
}

/** A confirmation that is no longer one, or never was. */
export function deniedConfirmation({ category, answersOptOut }: SendFacts): Denial | undefined {
  if (answersOptOut === undefined) return undefined;
  if (category !== 'transactional') {
    return deny('opt_out.confirmation_marketing', 'The confirmation of an opt-out must not advertise.');
  }
  return answersOptOut.isConfirmationUsed
    ? deny('opt_out.confirmation_used', 'An opt-out is confirmed once.')
    : deny('opt_out.confirmation_late', 'An opt-out is confirmed within 5 minutes.');
}

/** The suppression or opt-out that forbids the message. @param places of the candidates. */
export function denySuppressed(
  facts: SendFacts,
  places: readonly string[],
  answer: Answer | undefined,
): Denial | undefined {
  const isUs = places.some((place) => lawsOf(place).includes(REVOKE_ALL_PLACE));
  const isRevokeAll = isUs && facts.nowMs >= REVOKE_ALL_FROM_MS;
  for (const suppression of facts.suppressions) {
    if (!isForChannel(suppression, facts.channel)) continue;
    const isOptOut = OPT_OUT_REASONS.includes(suppression.reason);
    if (isOptOut && answer !== undefined) continue;
    if (isForProgram(suppression, facts.program)) return deny(ruleOf(suppression), detailOf(suppression));
    if (isOptOut && isRevokeAll) return deny('suppression.revoke_all_us', detailOf(suppression));
  }
  if (facts.consent === 'opted_out' && answer === undefined) {
    return deny('consent.opted_out', 'The recipient opted out.');
  }
  if (facts.consent === 'suppressed') return deny('consent.suppressed', 'The recipient is suppressed.');
  return undefined;
}

const isForChannel = ({ channel }: SuppressionFact, wanted: string): boolean =>
  channel === 'all' || channel === wanted;

/** A message whose program is not known may be of the suppressed one. */
const isForProgram = ({ scope }: SuppressionFact, program: string): boolean =>
  scope === SCOPE_ALL || program === '' || scope === program;

const ruleOf = ({ reason }: SuppressionFact): string => `suppression.${isReason(reason) ? reason : 'other'}`;

const detailOf = ({ channel, scope, reason }: SuppressionFact): string =>
  `Suppressed (${reason}) for channel ${channel}, scope ${scope}.`;

/** Marketing without an opt-in on record. The rule is that of the first place, else the general one. */
export function denyUnconsented(facts: SendFacts, places: readonly string[]): Denial | undefined {
  if (facts.category !== 'marketing' || facts.consent === 'opted_in') return undefined;
  const laws = [...places.slice(0, 1).flatMap(lawsOf), ''];
  const row = laws.flatMap((law) => CONSENT.filter(({ place }) => place === law))[0]!;
  return deny(row.rule, `Consent is ${facts.consent}; needed: ${row.needs} (${row.source}).`);
}

/** Meta's customer service window. Source: WhatsApp Business Platform, "Send messages", read 2026-11. */
const WHATSAPP_WINDOW_MS = 86_400_000;
/** Their clock and ours differ, and the message still has to get there. */
const WHATSAPP_MARGIN_MS = 60_000;

/** Free text on WhatsApp to somebody who did not write in the last 24 hours. */
export function denyClosedWindow(facts: SendFacts): Denial | undefined {
  if (facts.provider !== 'whatsapp' || facts.isTemplate) return undefined;
  const { lastInboundAtMs, nowMs } = facts;
  const isInWindow = lastInboundAtMs > 0 && nowMs < lastInboundAtMs + WHATSAPP_WINDOW_MS - WHATSAPP_MARGIN_MS;
  if (isInWindow) return undefined;
  return deny('whatsapp.window_closed', 'Outside the 24-hour window only an approved template may be sent.');
}
