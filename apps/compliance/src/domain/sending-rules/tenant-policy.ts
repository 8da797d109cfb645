import { NO_KEYWORDS, type TenantKeywords } from '@posthorn/providers/tenant-keywords.js';
import { QUESTION_DAYS_MAX } from '../consent-state.js';
import type { SendChannel } from '../suppression.js';
import { type AnswerTexts, NO_ANSWER_TEXTS } from './answer-texts.js';

export const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Day = (typeof DAYS)[number];

/**
 * Channels that make a noise: the hours of the law and of the tenant always hold for them.
 * Email waits in a mailbox; no row of the table is about it. A tenant may keep its email to the hours, too.
 */
export const QUIET_CHANNELS: readonly SendChannel[] = ['sms', 'chat', 'push'];
/** The place of a tenant's hours that hold everywhere. */
export const EVERYWHERE = 'all';

/** The open hours of each weekday, `09:00-18:00`; empty = closed. `00:00-24:00` = the whole day. */
export type Week = Readonly<Record<Day, string>>;

/** Hours for one place (`FR`, `US-FL`), or `all`. */
export interface PlaceHours {
  readonly place: string;
  readonly week: Week;
}

export interface FrequencyCap {
  readonly count: number;
  readonly windowHours: number;
}

/**
 * What a tenant may set. It is JSON as it stands: what is stored, and what the API shows.
 * All but `replacedHours` is added to the law's rules and can only make them stricter.
 */
export interface TenantPolicy {
  readonly quietHours: {
    /** The tenant's own hours: a message goes when these and the law's are open. */
    readonly hours: readonly PlaceHours[];
    /** Channels that keep to the hours, beside QUIET_CHANNELS. */
    readonly channels: readonly SendChannel[];
    /** Whether transactional messages keep to the hours too. */
    readonly isTransactionalQuiet: boolean;
  };
  /** Marketing messages to one person, on all channels together. */
  readonly caps: readonly FrequencyCap[];
  /** Words that count as keywords beside the usual ones. Intake knows them by tenants. */
  readonly keywords: TenantKeywords;
  /** After how many days the event log forgets: raw requests, contents (addresses, texts), events. */
  readonly retention: { readonly rawDays: number; readonly contentDays: number; readonly eventDays: number };
  /** For how many days after it was asked the question of a double opt-in can be answered. */
  readonly doubleOptIn: { readonly answerDays: number };
  /** What answers an opt-out and HELP, where a rule says to answer and the carrier does not. */
  readonly answers: AnswerTexts;
  /** Hours in the place of the table's row, looser or not. Only an operator sets them. */
  readonly replacedHours: readonly PlaceHours[];
}

/** What holds for a tenant that set nothing. */
export const DEFAULT_POLICY: TenantPolicy = {
  quietHours: { hours: [], channels: [], isTransactionalQuiet: false },
  caps: [],
  keywords: NO_KEYWORDS,
  retention: { rawDays: 30, contentDays: 396, eventDays: 396 },
  doubleOptIn: { answerDays: QUESTION_DAYS_MAX },
  answers: NO_ANSWER_TEXTS,
  replacedHours: [],
};

/** A policy as it was stored, with the defaults of what there was not when it was written. */
export const storedPolicy = (body: Partial<TenantPolicy>): TenantPolicy => ({ ...DEFAULT_POLICY, ...body });
