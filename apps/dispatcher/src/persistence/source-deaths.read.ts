import type { Statement } from '@posthorn/postgres/database.js';
import type { WorkerDatabase } from './databases.js';
import { firstUuidOf, sourceField } from './delivery.read.js';

/** A source, and from when on its deliveries count. UUID texts; Unix milliseconds. */
export interface WatchedSource {
  readonly tenantId: string;
  readonly sourceId: string;
  readonly sinceMs: number;
}

/** More of one source say nothing more. */
const COUNT_MAX = 1_000;

const COUNT: Statement = {
  name: 'source_deaths',
  text: `SELECT s.source_id::text AS source_id, d.count
         FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::uuid[]) AS s (tenant_id, source_id, field, first_id)
         CROSS JOIN LATERAL (
           SELECT count(*)::int4 AS count FROM (
             SELECT FROM dispatch.delivery WHERE tenant_id = s.tenant_id AND state = 'dead'
               AND delivery_id >= s.first_id AND position(s.field in fact) > 0 LIMIT ${COUNT_MAX}) d
         ) d`,
};

/** Counts the dead letters of sources, of several tenants, for operators. */
export class SourceDeathsRead {
  constructor(private readonly db: Pick<WorkerDatabase, 'query'>) {}

  /** @returns by source. */
  async count(sources: readonly WatchedSource[]): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.db.query<{ source_id: string; count: number }>(COUNT, [
      sources.map(({ tenantId }) => tenantId),
      sources.map(({ sourceId }) => sourceId),
      sources.map(({ sourceId }) => sourceField(sourceId)),
      sources.map(({ sinceMs }) => firstUuidOf(sinceMs)),
    ]);
    return new Map(rows.map(({ source_id, count }) => [source_id, count]));
  }
}
