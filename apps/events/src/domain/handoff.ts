/** Why a conversation was handed over. */
export const HANDOFF_REASONS = [
  ...(['user_request', 'low_confidence', 'sentiment', 'policy', 'error', 'sla', 'keyword'] as const),
] as const;
export type HandoffReason = (typeof HANDOFF_REASONS)[number];

export const isHandoffReason = (text: string): text is HandoffReason =>
  (HANDOFF_REASONS as readonly string[]).includes(text);

/** A bot's own word for it, when it is none of the list, is kept in its event. */
export const handoffReasonOf = (text: string): HandoffReason =>
  isHandoffReason(text) ? text : 'user_request';

/** `escalated` waits in the queue; `closed` and `returned` are ends. */
export type HandoffState = 'escalated' | 'claimed' | 'closed' | 'returned';

/** A hand-off. IDs are UUID texts; times Unix milliseconds, 0 = none. */
export interface Handoff {
  readonly handoffId: string;
  readonly conversationId: string;
  readonly state: HandoffState;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAtMs: number;
  readonly queue: string;
  readonly priority: number;
  readonly claimedBy: string;
  readonly claimedAtMs: number;
  /** When the claim goes back to the queue; 0 = it is accepted. */
  readonly offerUntilMs: number;
  readonly fencingToken: bigint;
  readonly attempts: number;
}
