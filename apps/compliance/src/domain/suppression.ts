/** The channels a suppression can be for; `all` stands for every one that reaches the person. */
export const CHANNELS = ['sms', 'email', 'chat', 'push', 'all'] as const;
export type Channel = (typeof CHANNELS)[number];

export const REASONS = ['opt_out', 'complaint', 'hard_bounce', 'manual'] as const;
export type Reason = (typeof REASONS)[number];

/** A person who must not be contacted. IDs are UUID texts. */
export interface Suppression {
  readonly id: string;
  /** 16 bytes; the address itself is not kept. */
  readonly personHash: Buffer;
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
  /** The event that caused it; undefined when a member of staff did. */
  readonly eventId: string | undefined;
  readonly createdAtMs: number;
}

/**
 * What a STOP covers: every channel, whatever it came by.
 * Why: the person's hash is that of the address, and one phone number has SMS and chat.
 */
export const OPT_OUT_CHANNEL: Channel = 'all';
export const SCOPE_ALL = 'all';

export const isChannel = (text: string): text is Channel => (CHANNELS as readonly string[]).includes(text);
export const isReason = (text: string): text is Reason => (REASONS as readonly string[]).includes(text);
