import type { Tx } from '@posthorn/postgres/database.js';
import { type FailingDestination } from '../domain/destination-health.js';

/** A failed attempt at a destination. IDs are UUID texts. */
export interface FailedAttempt {
  readonly tenantId: string;
  readonly destinationId: string;
  readonly generation: number;
  readonly atMs: number;
}

/** Destinations that fail at the same time and are remembered; of more, only the first. */
const FAILING_MAX = 10_000;
/** Nothing was sent there for so long: what failed before says nothing any more. */
const KEPT = `interval '30 days'`;

interface Row {
  readonly tenant_id: string;
  readonly destination_id: string;
  readonly generation: number;
  readonly failing_since: Date;
  readonly last_failed_at: Date;
  readonly failed_hours: number;
}

const isSame = 'f.generation = excluded.generation';
const isNewHour = `date_trunc('hour', excluded.last_failed_at, 'UTC') > date_trunc('hour', f.last_failed_at, 'UTC')`;

/** Since when every attempt at destinations has failed. */
export class DestinationFailureStore {
  /** Notes failures of different destinations; what an older generation left begins anew. In one order, against deadlocks. */
  async note(tx: Tx, failures: readonly FailedAttempt[]): Promise<FailingDestination[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'note_failing_destinations',
        text: `INSERT INTO dispatch.destination_failure AS f
            (tenant_id, destination_id, generation, failing_since, last_failed_at, failed_hours)
          SELECT v.tenant_id, v.destination_id, v.generation, v.failed_at, v.failed_at, 1
          FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[])
            AS v (tenant_id, destination_id, generation, failed_at)
          ORDER BY v.tenant_id, v.destination_id
          ON CONFLICT (tenant_id, destination_id) DO UPDATE SET
            generation = excluded.generation,
            failing_since = CASE WHEN ${isSame} THEN f.failing_since ELSE excluded.failing_since END,
            failed_hours = CASE WHEN NOT (${isSame}) THEN 1 WHEN ${isNewHour} THEN f.failed_hours + 1
              ELSE f.failed_hours END,
            last_failed_at = greatest(f.last_failed_at, excluded.last_failed_at)
          WHERE excluded.generation >= f.generation
          RETURNING tenant_id, destination_id, generation, failing_since, last_failed_at, failed_hours`,
      },
      [
        failures.map(({ tenantId }) => tenantId),
        failures.map(({ destinationId }) => destinationId),
        failures.map(({ generation }) => generation),
        failures.map(({ atMs }) => new Date(atMs)),
      ],
    );
    return rows.map(failingOf);
  }

  /** Those work. */
  async forget(
    tx: Tx,
    destinations: readonly Pick<FailedAttempt, 'tenantId' | 'destinationId'>[],
  ): Promise<void> {
    await tx.query(
      {
        name: 'forget_failing_destinations',
        text: `WITH held AS (
            SELECT f.tenant_id, f.destination_id FROM dispatch.destination_failure f
            JOIN unnest($1::uuid[], $2::uuid[]) AS v (tenant_id, destination_id) USING (tenant_id, destination_id)
            ORDER BY f.tenant_id, f.destination_id FOR UPDATE OF f)
          DELETE FROM dispatch.destination_failure f USING held
          WHERE f.tenant_id = held.tenant_id AND f.destination_id = held.destination_id`,
      },
      [destinations.map(({ tenantId }) => tenantId), destinations.map(({ destinationId }) => destinationId)],
    );
  }

  /** All that fail, with the time of the last failure that is noted. */
  async list(tx: Pick<Tx, 'query'>): Promise<(FailingDestination & { readonly lastFailedAtMs: number })[]> {
    const { rows } = await tx.query<Row>({
      name: 'list_failing_destinations',
      text: `SELECT tenant_id, destination_id, generation, failing_since, last_failed_at, failed_hours
        FROM dispatch.destination_failure ORDER BY tenant_id, destination_id LIMIT ${FAILING_MAX}`,
    });
    return rows.map((row) => ({ ...failingOf(row), lastFailedAtMs: row.last_failed_at.getTime() }));
  }

  async deleteOld(tx: Pick<Tx, 'query'>, nowMs: number): Promise<void> {
    await tx.query(
      `DELETE FROM dispatch.destination_failure WHERE last_failed_at < $1::timestamptz - ${KEPT}`,
      [new Date(nowMs)],
    );
  }
}

const failingOf = (row: Row): FailingDestination => ({
  tenantId: row.tenant_id,
  destinationId: row.destination_id,
  generation: row.generation,
  failingSinceMs: row.failing_since.getTime(),
  failedHours: row.failed_hours,
});
