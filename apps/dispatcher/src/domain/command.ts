import { type CommandState } from './command-state.js';

export const CHANNELS = ['sms', 'email', 'chat', 'push'] as const;
export type Channel = (typeof CHANNELS)[number];
export const CATEGORIES = ['transactional', 'marketing'] as const;
export type Category = (typeof CATEGORIES)[number];
export const SENDERS = ['bot', 'agent'] as const;
export type Sender = (typeof SENDERS)[number];

const DAY_MS = 86_400_000;
/**
 * How far ahead a message may be scheduled, and how long after it may still leave.
 * Why 7 days each: the data keys in memory are those of the week before, this one and the next.
 */
export const SCHEDULE_AHEAD_MS_MAX = 7 * DAY_MS;
export const VALID_FOR_MS_MAX = 7 * DAY_MS;
export const VALID_FOR_MS_DEFAULT = 3 * DAY_MS;

/** What a message says. Missing texts are empty. */
export interface MessageContent {
  readonly text: string;
  readonly html: string;
  readonly subject: string;
  readonly title: string;
  readonly mediaUrls: readonly string[];
  readonly template:
    { readonly name: string; readonly language: string; readonly parameters: readonly string[] } | undefined;
  readonly data: Readonly<Record<string, string>>;
  readonly unsubscribeUrl: string;
}

/** What of a command is personal data: kept sealed, opened to send it. */
export interface MessageBody {
  readonly to: string;
  /** Our own address; empty where the channel has none. */
  readonly from: string;
  readonly content: MessageContent;
  /** What the tenant knows of the recipient; empty = not known. */
  readonly contact: { readonly timeZone: string; readonly country: string; readonly postalCode: string };
}

/** What never changes of a command. IDs are 16 bytes, empty when there is none. */
export interface CommandIdentity {
  readonly messageId: Buffer;
  readonly tenantId: Buffer;
  readonly sourceUuid: Buffer;
  readonly shard: number;
  readonly channel: Channel;
  readonly category: Category;
  readonly program: string;
  readonly campaign: string;
  readonly personHash: Buffer;
  readonly conversationId: Buffer;
  readonly sender: Sender;
  /** Of an agent's claim. */
  readonly fencingToken: bigint;
  /** The event that a confirmation or HELP answers. */
  readonly answersEventId: Buffer;
  readonly ruleId: Buffer;
  readonly triggerEventId: Buffer;
  readonly isReplay: boolean;
  /** Unix milliseconds; 0 = not known. */
  readonly lastInboundAtMs: number;
  readonly notAfterMs: number;
  readonly createdAtMs: number;
  readonly traceparent: string;
}

/** A command that something is to be done about. Times in Unix milliseconds, 0 = never. */
export interface Command extends CommandIdentity {
  /** Hex of `messageId`: the key in memory. */
  readonly key: string;
  /** `src_…` */
  readonly sourceId: string;
  /** Of the lease under which it came into memory. */
  readonly leaseEpoch: bigint;
  readonly state: CommandState;
  /** Times it was handed to the provider. */
  readonly attemptCount: number;
  /** Since when its last attempt may have left. */
  readonly sentAtMs: number;
  /** Times the provider was asked what became of it. */
  readonly lookupCount: number;
}
