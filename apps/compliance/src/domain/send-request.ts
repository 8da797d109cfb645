import type { Person } from './person.js';
import { hasHours } from './sending-rules/decide.js';
import type { Candidate } from './sending-rules/recipient-places.js';
import type { SendFacts } from './sending-rules/send-facts.js';

/** A message that wants to leave, as dispatcher describes it. IDs are UUID texts. */
export interface SendRequest extends Pick<
  SendFacts,
  | 'channel'
  | 'category'
  | 'provider'
  | 'address'
  | 'program'
  | 'contact'
  | 'lastInboundAtMs'
  | 'isTemplate'
  | 'carrierReplies'
> {
  readonly person: Person;
  readonly messageId: string;
  readonly sourceId: string | undefined;
  /** The opt-out or HELP that it answers. */
  readonly answersEventId: string | undefined;
  readonly isReplay: boolean;
  readonly isSendingPaused: boolean;
}

/** What the store knows about a request. */
export interface StoredFacts extends Pick<
  SendFacts,
  | 'suppressions'
  | 'consent'
  | 'isPendingOptOut'
  | 'answersOptOut'
  | 'answersHelp'
  | 'isAnsweredUnknown'
  | 'sentRecently'
  | 'policy'
> {
  readonly policyVersion: number;
  /** What waits may stop less than everything: what, is known once it is written. */
  readonly isPendingInPart: boolean;
  /** The locks of the person and of those linked: who they are, for counting. */
  readonly group: readonly bigint[];
}

/** How long a permit is valid, from the moment it was asked for. Source: DESIGN, decision 7. */
export const PERMIT_VALID_MS = 400;
/**
 * How long the store counts a permit as open: from when it was given, which is later, and longer, for a
 * process that stalls between its last look at the clock and the first byte.
 */
export const PERMIT_OPEN_MS = 500;

/**
 * What a decision rests on, as it is kept: no address, no postal code.
 * `places` has every place where the recipient may be with the zones whose clocks were judged there; the clocks
 * decided nothing unless `hasHours`.
 */
export const keptFacts = (
  request: SendRequest,
  { suppressions, consent, isPendingOptOut, sentRecently, policy }: StoredFacts,
  isCaughtUp: boolean,
  candidates: readonly Candidate[],
): Readonly<Record<string, unknown>> => {
  const { provider, contact, lastInboundAtMs, isTemplate, answersEventId, isSendingPaused } = request;
  const isAnswer = answersEventId !== undefined;
  return {
    ...{ consent, suppressions, isPendingOptOut, isCaughtUp, isSendingPaused, isTemplate, provider },
    ...{ sentRecently: sentRecently.length, lastInboundAtMs, isAnswer },
    ...(isAnswer ? { carrierReplies: request.carrierReplies } : {}),
    ...{ timeZone: contact.timeZone, country: contact.country },
    ...{ places: zonesByPlace(candidates), hasHours: hasHours({ ...request, policy }) },
  };
};

const zonesByPlace = (candidates: readonly Candidate[]): Readonly<Record<string, readonly string[]>> => {
  const zones = new Map<string, Set<string>>();
  for (const { place, zone } of candidates) zones.set(place, (zones.get(place) ?? new Set()).add(zone));
  return Object.fromEntries([...zones].map(([place, each]) => [place, [...each]]));
};
