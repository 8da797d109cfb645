import { uuidBytes, uuidTimeMs } from '@posthorn/clock/id.js';
import { insertedRowsSql } from '@posthorn/postgres/counter-rates.js';
import type { Statement } from '@posthorn/postgres/database.js';
import type { KeeperDatabase, WorkerDatabase } from './databases.js';

/** What waits or lies somewhere. Counted up to a bound; times Unix milliseconds. */
export interface Heap {
  readonly count: number;
  readonly isMore: boolean;
  readonly oldestAtMs: number | undefined;
}

/** Where the log, its projection and what lies beside them stand, for all tenants. */
export interface LogStatus {
  readonly unprojected: Heap;
  /** Waits because its source is paused, or was put back from quarantine. */
  readonly parked: Heap;
  readonly quarantined: Heap;
  readonly unrecognized: { readonly count: number; readonly firstAtMs: number; readonly lastAtMs: number };
}

/** What counts beyond this says nothing more. */
const COUNT_MAX = 10_000;
/** Of each lane: 64 of them make more than COUNT_MAX. */
const LANE_COUNT_MAX = 200;
const NOTHING = { count: 0, isMore: false, oldestAtMs: undefined };

const READ: Statement = {
  name: 'log_status',
  text: `
SELECT u.*, p.*, d.*
FROM (
  SELECT count(*)::int4 AS unprojected, date_part('epoch', min(received_at)) * 1000 AS unprojected_since
  FROM events.shard s CROSS JOIN LATERAL (
    SELECT e.received_at FROM events.event_log e
    WHERE e.shard = s.shard AND (e.xid, e.position) > (s.cursor_xid, s.cursor_position)
    ORDER BY e.xid, e.position LIMIT ${LANE_COUNT_MAX}
  ) l
) u, (
  SELECT count(*)::int4 AS parked, min(event_id::text) AS parked_first
  FROM (SELECT event_id FROM events.parked LIMIT ${COUNT_MAX}) p
) p, (
  SELECT COALESCE(sum(count), 0)::int8 AS unrecognized, date_part('epoch', min(first_seen_at)) * 1000 AS drift_first,
    date_part('epoch', max(last_seen_at)) * 1000 AS drift_last
  FROM events.drift
) d`,
};
const QUARANTINED: Statement = {
  name: 'quarantine_status',
  text: `SELECT count(*)::int4 AS count, min(event_id::text) AS first
         FROM (SELECT event_id FROM events.quarantine LIMIT ${COUNT_MAX}) q`,
};

/** What rates are made of. */
export const LOG_COUNTERS: Statement = {
  name: 'log_counters',
  text: `SELECT ${insertedRowsSql('events.raw')} AS requests, ${insertedRowsSql('events.event_log')} AS events,
           ${insertedRowsSql('events.refusal')} AS refusals, ${insertedRowsSql('events.outbox')} AS facts,
           (SELECT sum(duplicate) FROM events.source_tally) AS duplicates,
           (SELECT sum(count) FROM events.drift) AS unrecognized`,
};

interface Row {
  unprojected: number;
  unprojected_since: number | null;
  parked: number;
  parked_first: string | null;
  unrecognized: string;
  drift_first: number | null;
  drift_last: number | null;
}

/** Reads where the log stands, over all tenants; no personal data is in it. */
export class StatusRead {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly keeper: Pick<KeeperDatabase, 'query'>,
  ) {}

  async log(): Promise<LogStatus> {
    const [{ rows }, quarantine] = await Promise.all([
      this.db.query<Row>(READ),
      this.keeper.query<{ count: number; first: string | null }>(QUARANTINED),
    ]);
    const row = rows[0]!;
    const { count, first } = quarantine.rows[0]!;
    return {
      unprojected: heapOf(row.unprojected, row.unprojected_since ?? undefined),
      parked: heapOf(row.parked, timeOfId(row.parked_first)),
      quarantined: heapOf(count, timeOfId(first)),
      unrecognized: {
        count: Number(row.unrecognized),
        firstAtMs: row.drift_first ?? 0,
        lastAtMs: row.drift_last ?? 0,
      },
    };
  }
}

const heapOf = (count: number, oldestAtMs: number | undefined): Heap =>
  count === 0 ? NOTHING : { count: Math.min(count, COUNT_MAX), isMore: count >= COUNT_MAX, oldestAtMs };

const timeOfId = (uuid: string | null): number | undefined =>
  uuid === null ? undefined : uuidTimeMs(uuidBytes(uuid));
