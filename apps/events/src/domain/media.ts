import { derivedUuid, formatId, uuidTimeMs } from '@posthorn/clock/id.js';
import type { LoggedEvent } from './project-event.js';

/** One medium that an event refers to. IDs are 16 bytes. */
export interface MediumName {
  readonly tenantId: Buffer;
  readonly eventId: Buffer;
  /** Its place in the message, 0–9. */
  readonly index: number;
}

/** One that is to be fetched. */
export interface PlannedMedium extends MediumName {
  readonly sourceId: Buffer;
  readonly provider: string;
  /** Unix milliseconds; it is given up then. */
  readonly expiresAtMs: number;
}

/** What became of one. failed: it could not be fetched until its time was over. */
export type MediumState = 'pending' | 'stored' | 'gone' | 'refused' | 'too_large' | 'failed';

/** How one ended, other than by being stored. */
export type MediumEnd = Exclude<MediumState, 'pending' | 'stored'>;

/** One as the API shows it. Times Unix milliseconds; 0 = not yet. */
export interface MediumView {
  readonly index: number;
  readonly state: MediumState;
  readonly reason: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly attempts: number;
  readonly settledAtMs: number;
}

/** Bounds of what is fetched; milliseconds. */
export interface MediaLimits {
  /** From the event's arrival until a medium is given up. */
  readonly deadlineMs: number;
  /** The longest wait after the first failure; each later one is twice as long. */
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
  /** Of one medium, whatever its tenant's policy says. */
  readonly bytesMax: number;
}

/** Places of media in one message. */
export const MEDIA_PER_EVENT_MAX = 10;
/** Of one medium: it travels in one message between services, which take 16 MiB. */
export const MEDIA_BYTES_MAX = 15 * 1_048_576;

const RETRY_CAP_MS = 30 * 60_000;
const CONTENT_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}$/;
const UNKNOWN_TYPE = 'application/octet-stream';
const REASON = /^[a-z0-9_]{1,40}$/;

export const mediaLimits = (config: {
  readonly mediaDeadlineSeconds: number;
  readonly mediaRetryBaseMs: number;
  readonly mediaBytesMax: number;
}): MediaLimits => ({
  deadlineMs: config.mediaDeadlineSeconds * 1_000,
  retryBaseMs: config.mediaRetryBaseMs,
  retryCapMs: Math.max(config.mediaRetryBaseMs, RETRY_CAP_MS),
  bytesMax: config.mediaBytesMax,
});

/**
 * What is to be fetched of events: the media of those whose tenant wants them kept.
 * @param isWanted by the tenant's ID, `ten_…`; also true while that is not known: it is asked again before anything is fetched.
 * Why none of what is past its time: an event that is understood late keeps the time it came at.
 */
export function plannedMedia(
  events: readonly LoggedEvent[],
  isWanted: (tenantId: string) => boolean,
  nowMs: number,
  { deadlineMs }: Pick<MediaLimits, 'deadlineMs'>,
): PlannedMedium[] {
  const planned: PlannedMedium[] = [];
  for (const { tenantId, eventId, sourceId, provider, attributes } of events) {
    const count = Math.min(attributes.mediaCount ?? 0, MEDIA_PER_EVENT_MAX);
    if (count === 0) continue;
    const expiresAtMs = uuidTimeMs(eventId) + deadlineMs;
    if (expiresAtMs <= nowMs || !isWanted(formatId('ten', tenantId))) continue;
    for (let index = 0; index < count; index += 1)
      planned.push({ tenantId, eventId, index, sourceId, provider, expiresAtMs });
  }
  return planned;
}

/** How long until the next try. @param attempts made so far, from 1. @param random 0 to 1. */
export const retryDelayMs = (
  attempts: number,
  { retryBaseMs, retryCapMs }: Pick<MediaLimits, 'retryBaseMs' | 'retryCapMs'>,
  random: number,
): number => Math.min(retryCapMs, retryBaseMs * 2 ** Math.min(attempts - 1, 30)) * (0.5 + random / 2);

/** The row that is named in what seals a medium: no other one's bytes can stand in for it. */
export const mediumRowId = ({ eventId, index }: Pick<MediumName, 'eventId' | 'index'>): Buffer =>
  derivedUuid(uuidTimeMs(eventId), eventId, `medium ${index}`);

/** A media type without parameters; what is none becomes the one of mere bytes. */
export function contentTypeOf(declared: string): string {
  const type = declared.split(';', 1)[0]!.trim().toLowerCase();
  return CONTENT_TYPE.test(type) ? type : UNKNOWN_TYPE;
}

/** A word of ours; anything else says nothing. */
export const reasonOf = (text: string): string => (REASON.test(text) ? text : 'unknown');
