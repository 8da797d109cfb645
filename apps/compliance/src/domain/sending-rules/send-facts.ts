import type { SendChannel } from '../suppression.js';
import type { TenantPolicy } from './tenant-policy.js';

export type Category = 'transactional' | 'marketing';

/** A suppression in force, as the rules see it. */
export interface SuppressionFact {
  /** A channel, or `all`. */
  readonly channel: string;
  /** A program, or `all`. */
  readonly scope: string;
  readonly reason: string;
}

/** What the tenant knows about where the recipient is; empty text = not known. */
export interface ContactPlace {
  /** IANA zone. */
  readonly timeZone: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  readonly postalCode: string;
}

/** All that is known when a permit is asked for. Times are Unix milliseconds. */
export interface SendFacts {
  readonly nowMs: number;
  readonly channel: SendChannel;
  readonly category: Category;
  /** The provider's ID; `whatsapp` has its 24-hour window. */
  readonly provider: string;
  /** E.164 number, email address, token. */
  readonly address: string;
  /** Empty = not known: then a suppression of any program holds. */
  readonly program: string;
  readonly contact: ContactPlace;
  /** Those of this person that are in force, of all channels. */
  readonly suppressions: readonly SuppressionFact[];
  readonly consent: 'unknown' | 'pending' | 'opted_in' | 'opted_out' | 'suppressed';
  /** A pending_signal row of this person exists. */
  readonly isPendingOptOut: boolean;
  readonly isCaughtUp: boolean;
  /** Set when the message is the confirmation of this opt-out. */
  readonly answersOptOut: { readonly optedOutAtMs: number; readonly isConfirmationUsed: boolean } | undefined;
  /** Set when the message answers this HELP. */
  readonly answersHelp: { readonly askedAtMs: number; readonly isAnswerUsed: boolean } | undefined;
  /** The message says to answer an event that nobody has told us of yet. */
  readonly isAnsweredUnknown: boolean;
  /** What the carrier or the provider answers by itself where the message would leave: `opt_out`, `help`. */
  readonly carrierReplies: readonly string[];
  /** 0 = none. */
  readonly lastInboundAtMs: number;
  /** The content is a template that the provider approved (WhatsApp). */
  readonly isTemplate: boolean;
  /** When permits for marketing were given to this person in the last 24 h, in any order. */
  readonly sentRecently: readonly number[];
  readonly policy: TenantPolicy;
  /** By the platform, by the tenant, or because the tenant is suspended. */
  readonly isSendingPaused: boolean;
}

export type Decision =
  | { readonly kind: 'allow'; readonly rule: string }
  | { readonly kind: 'deny'; readonly rule: string; readonly detail: string }
  | { readonly kind: 'defer'; readonly rule: string; readonly detail: string; readonly untilMs: number };
