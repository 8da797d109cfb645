import { uuidBytes } from '@posthorn/clock/id.js';
import { type ObservedSignal, signalOf } from '../observed-signal.js';
import { personKey, type Person } from '../person.js';
import { PERMIT_VALID_MS } from '../send-request.js';
import { WEDNESDAY_MS } from '../sending-rules/send-facts.fixture.js';
import type { Rows } from './model-store.fixture.js';

/** Source: DESIGN, decision 8. Written out here, as ingress is another app; `test/house` compares them. */
export const HOLD_MS = 500;
/**
 * Between the last look at the clock and the first byte. With clocks that run apart by 1 % either way there is room for:
 * 500 / 1.01 - 400 / 0.99 = 91.
 */
const STALL_MS_MAX = 90;
const TENANT = '01980000-0000-7000-8000-000000000001';

/** What the argument rests on; each can be taken away. */
export interface Design {
  readonly permitValidMs: number;
  readonly stallMsMax: number;
  readonly checksPending: boolean;
  readonly drains: boolean;
  /** Permits read in statements that follow the one that locks. */
  readonly readsUnderLocks: boolean;
  /** Opt-outs are applied under the exclusive lock. */
  readonly locksOptOuts: boolean;
  /** A permit is counted from the question, not from the answer. */
  readonly countsFromQuestion: boolean;
  readonly holdsRepeats: boolean;
  /** An opt-out waits for the permits of those linked as well. */
  readonly drainsLinked: boolean;
  /** A permit is closed after the send, not before it. */
  readonly closesAfterwards: boolean;
  /** What intake asks, to answer at once, it asks after its append has committed … */
  readonly asksAfterCommit: boolean;
  /** … holding the person's lock … */
  readonly asksUnderLock: boolean;
  /** … in a statement that follows the one that got it … */
  readonly asksInLaterStatement: boolean;
  /** … and an open permit is an answer, of those linked as well. */
  readonly asksForPermits: boolean;
  readonly asksForLinked: boolean;
}

export const AS_BUILT: Design = {
  ...{ permitValidMs: PERMIT_VALID_MS, stallMsMax: STALL_MS_MAX, checksPending: true, drains: true },
  ...{ readsUnderLocks: true, locksOptOuts: true, countsFromQuestion: true, holdsRepeats: true },
  ...{ drainsLinked: true, closesAfterwards: true },
  ...{ asksAfterCommit: true, asksUnderLock: true, asksInLaterStatement: true },
  ...{ asksForPermits: true, asksForLinked: true },
};

export type ProcessName = 'ingress' | 'compliance' | 'dispatcher';

/** How fast each clock runs, against true time. */
export type Rates = Readonly<Record<'ingress' | 'dispatcher' | 'store', number>>;

/** What happened, so that a run can be told from one in which nothing did. */
export interface Tally {
  sends: number;
  refusals: number;
  acknowledgedAtOnce: number;
  acknowledgedByCompliance: number;
  acknowledgedByTime: number;
  drainsThatWaited: number;
}

export const PERSONS: readonly Person[] = Array.from({ length: 8 }, (_, n) => ({
  tenantId: TENANT,
  hash: Buffer.alloc(16, n + 1),
}));
export const PAIRS = [0, 2, 4, 6].map((first) => PERSONS.slice(first, first + 2));
export const pairOf = (person: Person): readonly Person[] => PAIRS.find((pair) => pair.includes(person))!;

const uuidOf = (n: number): Buffer => uuidBytes(`01980000-0000-7000-8000-${String(n).padStart(12, '0')}`);

/** What the n-th event says. @param atMs of the model. */
export const signalOfEvent = (n: number, person: Person, signal: string, atMs: number): ObservedSignal =>
  signalOf({
    ...{ tenantId: uuidBytes(person.tenantId), eventId: uuidOf(n), personHash: person.hash },
    ...{ type: 'message.received', signal, channel: 'sms', provider: 'twilio', occurredAtMs: 0 },
    ...{ receivedAtMs: WEDNESDAY_MS + atMs, storedAtMs: WEDNESDAY_MS + atMs, traceparent: '' },
  })!;

const DAY_MS = 86_400_000;
/** Nobody has opted out; everybody may be sent marketing. */
export const firstRows = (areLinked: boolean): Rows => ({
  ...{ log: new Map(), pending: new Map(), recorded: new Set(), suppressions: new Map() },
  ...{ permits: new Map(), links: areLinked ? PAIRS : [] },
  counting: new Map(
    PERSONS.map((person, n) => [
      personKey(person),
      [{ id: `grant-${n}`, kind: 'grant', atMs: WEDNESDAY_MS - DAY_MS, covers: 'all', program: 'all' }],
    ]),
  ),
});
