export const REVIEW_STATES = ['open', 'confirmed', 'lifted'] as const;
export type ReviewState = (typeof REVIEW_STATES)[number];

/** A message that was taken for an opt-out in words of its own: in force until a person says that it was none. */
export interface Review {
  /** UUID text of the message's event. */
  readonly eventId: string;
  readonly personHash: Buffer;
  readonly channel: string;
  /** How sure the phrase tier is. What the person wrote is not kept here. */
  readonly confidence: 'high' | 'low';
  readonly state: ReviewState;
  readonly createdAtMs: number;
  /** 0 while it is open. */
  readonly decidedAtMs: number;
  readonly decidedBy: string;
}
