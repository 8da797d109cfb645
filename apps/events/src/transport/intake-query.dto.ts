import { idOfUuid, uuidBytes, uuidTimeMs } from '@posthorn/clock/id.js';
import type {
  Drift,
  DriftField,
  Erasure as ErasureMessage,
  GetSourceHealthResponse,
  QuarantinedEvent,
  QuarantineFilter as FilterMessage,
  RefusedRequest,
  Reprocessing,
  ReprocessingFilter as ReprocessingFilterMessage,
  RetentionRun,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { decodeCursor } from '@posthorn/postgres/cursor.js';
import type { Erasure } from '../domain/erasure.js';
import type { ReprocessingFilter, ReprocessingView } from '../domain/reprocessing.js';
import type { DriftFieldView } from '../persistence/drift-field.read.js';
import type { DriftView } from '../persistence/drift.read.js';
import type { QuarantineFilter, QuarantineView } from '../persistence/quarantine.store.js';
import type { RefusalView } from '../persistence/refusal.read.js';
import type { RetentionRunView } from '../persistence/retention.read.js';
import type { SourceHealth } from '../persistence/source-health.read.js';
import { filterUuid, publicId, sourceIdOf } from './event-query.dto.js';

const EVENT_IDS_MAX = 500;
/** Matches nothing; an empty one in a list must not mean any. */
const NO_ID = '-';
const OFFSET = /^\d{1,6}$/;

/** Rows before the page that a cursor stands for. @throws AppError `request.invalid` */
export function offsetOf(cursor: string): number {
  if (cursor === '') return 0;
  const [offset] = decodeCursor(cursor, 1);
  if (!OFFSET.test(offset!))
    throw new AppError('request.invalid', {
      fields: [{ path: 'query.cursor', message: 'must be the next_cursor of an earlier answer' }],
    });
  return Number(offset);
}

/** @throws AppError `request.invalid` */
export function quarantineFilterOf(filter: FilterMessage | undefined): QuarantineFilter {
  const { eventIds = [], sourceId = '', type = '', fromMs = 0, toMs = 0 } = filter ?? {};
  if (eventIds.length > EVENT_IDS_MAX)
    throw new AppError('request.invalid', {
      fields: [{ path: 'filter.eventIds', message: `must be at most ${EVENT_IDS_MAX}` }],
    });
  return {
    eventIds: eventIds.map((id) => filterUuid('evt', id || NO_ID)),
    sourceId: filterUuid('src', sourceId),
    type,
    fromMs,
    toMs,
  };
}

export const refusalOf = ({ requestId, sourceId, ...view }: RefusalView): RefusedRequest => ({
  ...view,
  id: idOfUuid('req', requestId),
  sourceId: sourceIdOf(sourceId),
});

export const driftOf = ({ firstEventId, lastEventId, ...view }: DriftView): Drift => ({
  ...view,
  firstEventId: idOfUuid('evt', firstEventId),
  lastEventId: idOfUuid('evt', lastEventId),
});

export const driftFieldOf = ({ firstEventId, ...view }: DriftFieldView): DriftField => ({
  ...view,
  firstEventId: idOfUuid('evt', firstEventId),
});

/** An ID of another kind matches nothing. */
export const reprocessingFilterOf = (filter: ReprocessingFilterMessage | undefined): ReprocessingFilter => {
  const { sourceId = '', provider = '', kind = '', fromMs = 0, toMs = 0 } = filter ?? {};
  return { sourceId: filterUuid('src', sourceId), provider, kind, fromMs, toMs };
};

export const reprocessingOf = (view: ReprocessingView): Reprocessing => ({
  id: idOfUuid('rep', view.reprocessingId),
  requestedAtMs: view.requestedAtMs,
  state: view.completedAtMs === 0 ? 'open' : 'done',
  filter: { ...view.filter, sourceId: publicId('src', view.filter.sourceId || undefined) },
  lookedAt: BigInt(view.lookedAt),
  understood: BigInt(view.understood),
  left: BigInt(view.lookedAt - view.understood),
  completedAtMs: view.completedAtMs,
  hasMore: view.hasMore,
});

export const quarantinedOf = ({ eventId, sourceId, ...view }: QuarantineView): QuarantinedEvent => ({
  ...view,
  eventId: idOfUuid('evt', eventId),
  sourceId: sourceIdOf(sourceId),
});

export const retentionRunOf = ({ runId, keyIds, ...view }: RetentionRunView): RetentionRun => ({
  ...view,
  id: runId,
  keyIds: keyIds.map((keyId) => idOfUuid('dek', keyId)),
  atMs: uuidTimeMs(uuidBytes(runId)),
});

export const healthOf = (health: SourceHealth): GetSourceHealthResponse => ({
  firstEventAtMs: health.firstEventAtMs,
  lastEventAtMs: health.lastEventAtMs,
  eventsStored: health.stored,
  eventsDuplicate: health.duplicate,
  eventsUnrecognized: health.unrecognized,
  eventsUnauthentic: health.unauthentic,
  optOuts: health.optOuts,
  lastSecretId: publicId('sec', health.secretId),
  lastSecretAtMs: health.secretAtMs,
  quarantined: health.quarantined,
  parked: health.parked,
  refusalsKept: health.refusalsKept,
  lastRefusalAtMs: health.lastRefusalAtMs,
  requestsAuthentic: health.authentic,
});

export const erasureOf = ({
  erasureId,
  requestedAtMs,
  completedAtMs,
  erased,
  personHashes,
}: Erasure): ErasureMessage => ({
  id: erasureId,
  requestedAtMs,
  isComplete: completedAtMs !== 0,
  completedAtMs,
  erased: erased.map((rows) => ({ ...rows })),
  personHashes: [...personHashes],
});
