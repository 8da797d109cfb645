import { uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { TimeSpan } from './page.js';

const DAY_MS = 86_400_000;
/** Nothing older is parsed again: its dedup keys, which tell what is in the log already, are kept a few days longer. */
export const REPROCESSED_AGE_MS_MAX = 30 * DAY_MS;
/** What one reprocessing looks at. */
export const REPROCESSED_EVENTS_MAX = 10_000;
/** Of one tenant at the same time. */
export const OPEN_REPROCESSINGS_MAX = 4;
/** Why no other one begins now. */
export const tooManyReprocessings = (): AppError =>
  new AppError('limit.reached', {
    detail: `at most ${OPEN_REPROCESSINGS_MAX} are processed at the same time`,
  });
/** A page that cannot be stored, or whose callers die, is given out so often; then its events are left as they are. */
export const PAGE_TRIES_MAX = 12;
const PAUSE_MS_MIN = 2_000;
const PAUSE_MS_MAX = 60_000;

/** Which events that were not understood. IDs are UUID texts; empty = any. */
export interface ReprocessingFilter extends TimeSpan {
  readonly sourceId: string;
  readonly provider: string;
  /** The provider's own type. */
  readonly kind: string;
}

/** A reprocessing as the API shows it. Times Unix milliseconds. */
export interface ReprocessingView {
  readonly reprocessingId: string;
  readonly filter: ReprocessingFilter;
  readonly requestedAtMs: number;
  readonly lookedAt: number;
  readonly understood: number;
  /** 0 = not yet. */
  readonly completedAtMs: number;
  readonly hasMore: boolean;
}

/** A reprocessing that is at one caller. IDs are UUID texts. */
export interface HeldReprocessing {
  readonly tenantId: string;
  readonly reprocessingId: string;
  readonly filter: ReprocessingFilter;
  /** Events up to here were looked at. */
  readonly cursor: string;
  /** The first that is not looked at. */
  readonly before: string;
  /** Of these events alone; undefined: of all that the filter names. */
  readonly eventIds?: readonly string[] | undefined;
  /** How often its page was given out, this time counted. */
  readonly tries: number;
  readonly lookedAt: number;
}

/** An event that was not understood. IDs are UUID texts. */
export interface Original {
  readonly eventId: string;
  /** Undefined: nobody knows what it came from. */
  readonly requestId: string | undefined;
  readonly sourceId: string;
  readonly secretId: string | undefined;
  readonly receivedAtMs: number;
  readonly traceparent: string;
  readonly kind: string;
  readonly note: string;
}

/** A request, sealed, and those of its events that were not understood. IDs are 16 bytes. */
export interface StoredRequest {
  readonly requestId: Buffer;
  readonly sourceId: Buffer;
  /** Or empty. */
  readonly secretId: Buffer;
  readonly receivedAtMs: number;
  readonly traceparent: string;
  readonly dataKeyId: Buffer;
  readonly raw: Buffer;
  readonly originals: { readonly eventId: Buffer; readonly note: string }[];
}

/** What came of a page. IDs and hashes are 16 bytes. */
export interface SettledPage {
  readonly tenantId: Buffer;
  readonly reprocessingId: Buffer;
  readonly outcome: 'done' | 'postponed';
  readonly understood: readonly Buffer[];
  readonly personHashes: readonly Buffer[];
}

/** Requests of events in their order, each once. */
export function requestsOf(originals: readonly Original[]): string[] {
  return [...new Set(originals.flatMap(({ requestId }) => requestId ?? []))];
}

/**
 * The part of a page that its bodies leave room for: up to the first event of the first request that was left out.
 * @param fitting requests whose bodies were read, or are gone. @returns at least the first event.
 */
export function cutPage(originals: readonly Original[], fitting: ReadonlySet<string>): readonly Original[] {
  const end = originals.findIndex(({ requestId }) => requestId !== undefined && !fitting.has(requestId));
  return end === -1 ? originals : originals.slice(0, Math.max(1, end));
}

/** How long a page rests that could not be stored. @param tries from 1. */
export const pauseMsOf = (tries: number): number =>
  Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.max(0, tries - 1));

/** Those of a page that its caller says are understood. */
export function understoodOf(claimed: readonly string[], said: readonly Buffer[]): string[] {
  const known = new Set(claimed);
  return [...new Set(said.map((id) => uuidText(id)))].filter((id) => known.has(id));
}
