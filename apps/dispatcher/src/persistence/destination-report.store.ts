import type { Tx } from '@posthorn/postgres/database.js';
import { type DisableReason } from '../domain/destination-health.js';

/** What tenants is to be told of a destination. IDs are UUID texts. */
export interface DestinationReport {
  readonly tenantId: string;
  readonly destinationId: string;
  readonly generation: number;
  readonly reason: DisableReason;
  /** Unix milliseconds. */
  readonly failingSinceMs: number;
  /** HTTP; 0 = no answer. */
  readonly lastStatus: number;
  readonly lastOutcome: string;
}

/** A report in its place among those of this service. */
export interface NumberedReport extends DestinationReport {
  readonly number: bigint;
}

/** Longer than anybody can go on sending to what was disabled. */
const KEPT = `interval '30 days'`;

interface Row {
  readonly number: string;
  readonly tenant_id: string;
  readonly destination_id: string;
  readonly generation: number;
  readonly reason: DisableReason;
  readonly failing_since: Date;
  readonly last_status: number;
  readonly last_outcome: string;
}

/** Reports of destinations that stay broken: one for each generation, numbered without gaps. */
export class DestinationReportStore {
  /**
   * Adds those that are new. The last statements of their transaction: from here to the commit nobody else can number any.
   * @param reports of different destinations.
   */
  async add(tx: Tx, reports: readonly DestinationReport[], nowMs: number): Promise<void> {
    if (reports.length === 0) return;
    const { rows } = await tx.query<{ value: string }>({
      name: 'lock_destination_reports',
      text: `SELECT value FROM dispatch.destination_report_counter WHERE name = 'numbered' FOR NO KEY UPDATE`,
    });
    // In a later statement than the lock, so that what another process committed meanwhile is seen.
    await tx.query(
      {
        name: 'insert_destination_reports',
        text: `WITH added AS (
            INSERT INTO dispatch.destination_report (number, tenant_id, destination_id, generation, reason,
              failing_since, last_status, last_outcome, created_at)
            SELECT $1::bigint + row_number() OVER (), v.tenant_id, v.destination_id, v.generation, v.reason,
              v.failing_since, v.last_status, v.last_outcome, $9::timestamptz
            FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::timestamptz[], $7::int[], $8::text[])
              AS v (tenant_id, destination_id, generation, reason, failing_since, last_status, last_outcome)
            WHERE NOT EXISTS (SELECT FROM dispatch.destination_report r WHERE r.tenant_id = v.tenant_id
              AND r.destination_id = v.destination_id AND r.generation = v.generation)
            RETURNING 1)
          UPDATE dispatch.destination_report_counter SET value = value + (SELECT count(*) FROM added)
          WHERE name = 'numbered'`,
      },
      [
        rows[0]!.value,
        reports.map(({ tenantId }) => tenantId),
        reports.map(({ destinationId }) => destinationId),
        reports.map(({ generation }) => generation),
        reports.map(({ reason }) => reason),
        reports.map(({ failingSinceMs }) => new Date(failingSinceMs)),
        reports.map(({ lastStatus }) => lastStatus),
        reports.map(({ lastOutcome }) => lastOutcome),
        new Date(nowMs),
      ],
    );
  }

  /** Numbers given and numbers relayed. */
  async counters(tx: Pick<Tx, 'query'>): Promise<{ numbered: bigint; relayed: bigint }> {
    const counter = 'dispatch.destination_report_counter';
    const { rows } = await tx.query<{ numbered: string; relayed: string }>({
      name: 'destination_report_counters',
      text: `SELECT (SELECT value FROM ${counter} WHERE name = 'numbered') AS numbered,
                    (SELECT value FROM ${counter} WHERE name = 'relayed') AS relayed`,
    });
    return { numbered: BigInt(rows[0]!.numbered), relayed: BigInt(rows[0]!.relayed) };
  }

  /** The reports after a number, in order. */
  async page(tx: Pick<Tx, 'query'>, after: bigint, limit: number): Promise<NumberedReport[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'destination_report_page',
        text: `SELECT number, tenant_id, destination_id, generation, reason, failing_since, last_status, last_outcome
          FROM dispatch.destination_report WHERE number > $1 ORDER BY number LIMIT $2`,
      },
      [String(after), limit],
    );
    return rows.map((row) => ({
      number: BigInt(row.number),
      tenantId: row.tenant_id,
      destinationId: row.destination_id,
      generation: row.generation,
      reason: row.reason,
      failingSinceMs: row.failing_since.getTime(),
      lastStatus: row.last_status,
      lastOutcome: row.last_outcome,
    }));
  }

  /** @returns whether nobody has said so before. */
  async relayed(tx: Pick<Tx, 'query'>, through: bigint): Promise<boolean> {
    const { rowCount } = await tx.query(
      {
        name: 'destination_reports_relayed',
        text: `UPDATE dispatch.destination_report_counter SET value = $1 WHERE name = 'relayed' AND value < $1`,
      },
      [String(through)],
    );
    return rowCount > 0;
  }

  /** Those that were told long ago. */
  async deleteOld(tx: Pick<Tx, 'query'>, nowMs: number): Promise<void> {
    await tx.query(
      `DELETE FROM dispatch.destination_report WHERE created_at < $1::timestamptz - ${KEPT}
         AND number <= (SELECT value FROM dispatch.destination_report_counter WHERE name = 'relayed')`,
      [new Date(nowMs)],
    );
  }
}
