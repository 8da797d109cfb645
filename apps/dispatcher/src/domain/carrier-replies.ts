/** What a person can ask for that a carrier or a provider may answer by itself. */
export const ANSWERED_SIGNALS = ['opt_out', 'help'] as const;
export type AnsweredSignal = (typeof ANSWERED_SIGNALS)[number];

/** Where an answer would leave. */
export interface AnswerRoute {
  readonly channel: string;
  /** Our own address, as the provider writes it. */
  readonly from: string;
  /** The source's; `carrierReplies` in it goes before what the provider is known to do. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What the provider does in an account where nobody changed it. */
  readonly providerReplies: readonly AnsweredSignal[];
}

/**
 * Which of these is answered before us, so that an answer of ours would be a second one. Only text messages have
 * carriers that answer.
 * Source: Twilio, "Opt-out keyword handling for Toll-Free SMS" (the network answers STOP, which cannot be removed or
 * changed; HELP it leaves to others), read 2026-11.
 */
export function carrierRepliesOf({
  channel,
  from,
  settings,
  providerReplies,
}: AnswerRoute): readonly AnsweredSignal[] {
  if (channel !== 'sms') return [];
  const own = settings['carrierReplies'];
  const isAnswered = (signal: AnsweredSignal): boolean =>
    (signal === 'opt_out' && TOLL_FREE.test(from)) ||
    (Array.isArray(own) ? own : providerReplies).includes(signal);
  return ANSWERED_SIGNALS.filter(isAnswered);
}

/** The toll-free codes of the North American numbering plan, with or without the `+` of E.164. */
const TOLL_FREE = /^\+?1(?:800|833|844|855|866|877|888)\d{7}$/;
