/** The channels a message can take. */
export const SEND_CHANNELS = ['sms', 'email', 'chat', 'push'] as const;
export type SendChannel = (typeof SEND_CHANNELS)[number];

/** The channels a suppression can be for; `all` stands for every one that reaches the person. */
export const CHANNELS = [...SEND_CHANNELS, 'all'] as const;
export type Channel = (typeof CHANNELS)[number];

/** `phrase`: an opt-out in words of the person's own, until somebody has judged it. */
export const REASONS = ['opt_out', 'complaint', 'hard_bounce', 'soft_bounce', 'phrase', 'manual'] as const;
export type Reason = (typeof REASONS)[number];

/** The reasons that follow from the consent: it makes them and lifts them. */
export const OPT_OUT_REASONS: readonly string[] = ['opt_out', 'phrase'];
/** An address that is dead says nothing about the others of its person. */
export const ADDRESS_REASONS: readonly string[] = ['hard_bounce', 'soft_bounce'];

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
  readonly lifted: { readonly atMs: number; readonly reason: string } | undefined;
  /** It rests on events alone that nobody vouches for. */
  readonly isUnverified?: boolean | undefined;
}

export const SCOPE_ALL = 'all';

export const isSendChannel = (text: string): text is SendChannel =>
  (SEND_CHANNELS as readonly string[]).includes(text);
export const isChannel = (text: string): text is Channel => (CHANNELS as readonly string[]).includes(text);
export const isReason = (text: string): text is Reason => (REASONS as readonly string[]).includes(text);
