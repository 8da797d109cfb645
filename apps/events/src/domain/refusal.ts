import { uuidTimeMs } from '@posthorn/clock/id.js';

const DAY_MS = 86_400_000;
/** How long a refused request is kept; its day is dropped once all of it is older. */
export const REFUSAL_AGE_MS_MAX = 3 * DAY_MS;
/** What one source may keep. */
export const SOURCE_BYTES_MAX = 10 * 1024 * 1024;
/** Of a row, beside its body and headers: so a flood of empty requests is bounded too. */
const OVERHEAD_BYTES = 256;

/** A request that was refused for its signature. IDs are 16 bytes. */
export interface Refusal {
  readonly requestId: Buffer;
  readonly tenantId: Buffer;
  readonly sourceId: Buffer;
  readonly provider: string;
  readonly receivedAtMs: number;
  /** An error code. */
  readonly cause: string;
  /** Name and value alternate; redacted. */
  readonly headers: string[];
  readonly dataKeyId: Buffer;
  /** Encrypted. */
  readonly raw: Buffer;
  readonly traceparent: string;
}

/** What came of judging one again. */
export interface Settlement {
  readonly requestId: Buffer;
  readonly tenantId: Buffer;
  readonly outcome: 'admitted' | 'still_refused' | 'postponed';
  /** An error code. */
  readonly cause: string;
}

/** What a refusal takes of its source's budget. */
export function weightOf({ raw, headers }: Pick<Refusal, 'raw' | 'headers'>): number {
  return headers.reduce((sum, text) => sum + Buffer.byteLength(text), OVERHEAD_BYTES + raw.length);
}

/** The UTC day whose partition has it, days since 1970. */
export const dayOf = ({ requestId }: Pick<Refusal, 'requestId'>): number =>
  Math.floor(uuidTimeMs(requestId) / DAY_MS);

/** The first day of which anything is still kept. */
export const firstKeptDay = (nowMs: number): number => Math.floor((nowMs - REFUSAL_AGE_MS_MAX) / DAY_MS);

export const nameOfSource = ({ tenantId, sourceId }: Pick<Refusal, 'tenantId' | 'sourceId'>): string =>
  Buffer.concat([tenantId, sourceId]).toString('latin1');

/**
 * Which of these there is room for; an earlier one is never left out for a later one of the same size.
 * @param used bytes of each source that are taken.
 */
export function keepWithin(
  refusals: readonly Refusal[],
  used: ReadonlyMap<string, number>,
  nowMs: number,
): Refusal[] {
  const taken = new Map(used);
  return refusals.filter((refusal) => {
    if (uuidTimeMs(refusal.requestId) < nowMs - REFUSAL_AGE_MS_MAX) return false;
    const name = nameOfSource(refusal);
    const bytes = (taken.get(name) ?? 0) + weightOf(refusal);
    if (bytes > SOURCE_BYTES_MAX) return false;
    taken.set(name, bytes);
    return true;
  });
}
