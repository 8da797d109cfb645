import { isUnrecognized } from './drift.js';
import { isUnverified, type IntakeEvent, type IntakeRequest } from './intake.js';

/** What intake did for one source since it was last written down. IDs are 16 bytes; times Unix milliseconds. */
export interface SourceTally {
  readonly tenantId: Buffer;
  readonly sourceId: Buffer;
  /** Of new events; 0 = none. */
  firstEventAtMs: number;
  lastEventAtMs: number;
  stored: number;
  duplicate: number;
  unrecognized: number;
  unauthentic: number;
  optOuts: number;
  /** Empty = none matched. */
  secretId: Buffer;
  secretAtMs: number;
  /** Of the last authentic request, whatever its scheme, also of one that came again; 0 = none. */
  authenticAtMs: number;
  /** Requests that were authentic, by the hour since 1970 in which they came. */
  readonly authenticByHour: Map<number, number>;
}

/** So long the share of authentic requests is looked at; refusals are kept as long. */
export const RATE_WINDOW_HOURS = 72;
const HOUR_MS = 3_600_000;

const NONE = Buffer.alloc(0);

export const emptyTally = ({
  tenantId,
  sourceId,
}: Pick<IntakeRequest, 'tenantId' | 'sourceId'>): SourceTally => ({
  tenantId,
  sourceId,
  firstEventAtMs: 0,
  lastEventAtMs: 0,
  stored: 0,
  duplicate: 0,
  unrecognized: 0,
  unauthentic: 0,
  optOuts: 0,
  secretId: NONE,
  secretAtMs: 0,
  authenticAtMs: 0,
  authenticByHour: new Map(),
});

/** Adds one committed request. Of a request that is new in part, kinds count up to what is new. */
export function addRequest(tally: SourceTally, request: IntakeRequest, stored: number): void {
  const { events, receivedAtMs, secretId } = request;
  tally.stored += stored;
  tally.duplicate += events.length - stored;
  if (secretId.length > 0 && receivedAtMs >= tally.secretAtMs) {
    tally.secretId = secretId;
    tally.secretAtMs = receivedAtMs;
  }
  if (!events.some(isUnauthentic)) {
    const hour = Math.floor(receivedAtMs / HOUR_MS);
    tally.authenticByHour.set(hour, (tally.authenticByHour.get(hour) ?? 0) + 1);
    tally.authenticAtMs = Math.max(tally.authenticAtMs, receivedAtMs);
  }
  if (stored === 0) return;
  if (tally.firstEventAtMs === 0 || receivedAtMs < tally.firstEventAtMs) tally.firstEventAtMs = receivedAtMs;
  if (receivedAtMs > tally.lastEventAtMs) tally.lastEventAtMs = receivedAtMs;
  tally.unrecognized += Math.min(stored, count(events, isUnrecognized));
  tally.unauthentic += Math.min(stored, count(events, isUnauthentic));
  tally.optOuts += Math.min(
    stored,
    count(events, ({ attributes }) => attributes?.signal === 'opt_out'),
  );
}

const isUnauthentic = ({ attributes }: IntakeEvent): boolean =>
  attributes !== undefined && isUnverified(attributes);

function count(events: readonly IntakeEvent[], isOne: (event: IntakeEvent) => boolean): number {
  let found = 0;
  for (const event of events) if (isOne(event)) found += 1;
  return found;
}
