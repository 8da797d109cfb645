import { uuidBytes, uuidTimeMs } from '@posthorn/clock/id.js';
import type { Statement } from '@posthorn/postgres/database.js';
import type { KeeperDatabase, WorkerDatabase } from './databases.js';

/** A source and its tenant. UUID texts. */
export interface SourcePlace {
  readonly tenantId: string;
  readonly sourceId: string;
}

/** What came through a source since it was made. */
export interface SourceFigures extends SourcePlace {
  readonly stored: bigint;
  readonly duplicate: bigint;
  readonly unrecognized: bigint;
  /** Parked or in quarantine; counted up to a bound. */
  readonly waiting: number;
  /** Unix milliseconds; undefined when nothing waits. */
  readonly waitingSinceMs: number | undefined;
}

/** What waits is counted up to here: more says nothing more. */
const COUNT_MAX = 1_000;

const TALLIES: Statement = {
  name: 'source_figures',
  text: `
SELECT s.tenant_id::text AS tenant_id, s.source_id::text AS source_id, COALESCE(t.stored, 0) AS stored,
  COALESCE(t.duplicate, 0) AS duplicate, COALESCE(t.unrecognized, 0) AS unrecognized, p.parked, p.first
FROM unnest($1::uuid[], $2::uuid[]) AS s (tenant_id, source_id)
LEFT JOIN events.source_tally t ON t.tenant_id = s.tenant_id AND t.source_id = s.source_id
CROSS JOIN LATERAL (
  SELECT count(*)::int4 AS parked, min(event_id::text) AS first FROM (
    SELECT event_id FROM events.parked p WHERE p.tenant_id = s.tenant_id AND p.source_id = s.source_id
    LIMIT ${COUNT_MAX}) p
) p`,
};
const QUARANTINED: Statement = {
  name: 'quarantine_of_tenants',
  text: `SELECT tenant_id::text AS tenant_id, event_id::text AS event_id FROM events.quarantine
         WHERE tenant_id = ANY ($1::uuid[]) LIMIT ${COUNT_MAX}`,
};
const SOURCES: Statement = {
  name: 'sources_of_events',
  text: `SELECT l.source_id::text AS source_id, count(*)::int4 AS count, min(l.event_id::text) AS first
         FROM unnest($1::uuid[], $2::uuid[]) AS q (tenant_id, event_id)
         JOIN events.event_log l ON l.tenant_id = q.tenant_id AND l.event_id = q.event_id GROUP BY l.source_id`,
};

interface Row {
  tenant_id: string;
  source_id: string;
  stored: string;
  duplicate: string;
  unrecognized: string;
  parked: number;
  first: string | null;
}
interface Waiting {
  readonly count: number;
  readonly first: string;
}

/** Reads what is known of sources of several tenants, for operators: counts, nothing of what was in them. */
export class SourceFiguresRead {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly keeper: Pick<KeeperDatabase, 'query'>,
  ) {}

  async list(sources: readonly SourcePlace[]): Promise<SourceFigures[]> {
    const tenantIds = sources.map(({ tenantId }) => tenantId);
    const [{ rows }, quarantined] = await Promise.all([
      this.db.query<Row>(TALLIES, [tenantIds, sources.map(({ sourceId }) => sourceId)]),
      this.quarantined([...new Set(tenantIds)]),
    ]);
    return rows.map((row) => {
      const put = quarantined.get(row.source_id);
      const first = [row.first, put?.first].filter((id) => id !== null && id !== undefined).sort()[0];
      return {
        tenantId: row.tenant_id,
        sourceId: row.source_id,
        stored: BigInt(row.stored),
        duplicate: BigInt(row.duplicate),
        unrecognized: BigInt(row.unrecognized),
        waiting: row.parked + (put?.count ?? 0),
        waitingSinceMs: first === undefined ? undefined : uuidTimeMs(uuidBytes(first)),
      };
    });
  }

  /** By source. Why two statements: no role may both look into quarantine and see what an event is. */
  private async quarantined(tenantIds: readonly string[]): Promise<ReadonlyMap<string, Waiting>> {
    const { rows } = await this.keeper.query<{ tenant_id: string; event_id: string }>(QUARANTINED, [
      tenantIds,
    ]);
    if (rows.length === 0) return new Map();
    const found = await this.db.query<Waiting & { readonly source_id: string }>(SOURCES, [
      rows.map(({ tenant_id }) => tenant_id),
      rows.map(({ event_id }) => event_id),
    ]);
    return new Map(found.rows.map((row) => [row.source_id, row]));
  }
}
