import type { Tx } from '@posthorn/postgres/database.js';
import { RETRYABLE_STATES } from '../domain/delivery-state.js';
import { firstUuidOf } from './delivery.read.js';

/** A delivery that somebody wants back in line. */
export interface LineRow {
  readonly shard: number;
  readonly tenant_id: string;
  readonly delivery_id: string;
  readonly destination_id: string;
  readonly order_key: Buffer | null;
  readonly state: string;
}

/** Which dead letters; undefined = any. Times in Unix milliseconds, of the fact's event. */
export interface DeadLetterFilter {
  readonly destinationUuid: string | undefined;
  readonly type: string | undefined;
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
}

const COLUMNS = 'shard, tenant_id, delivery_id, destination_id, order_key, state';

/** Puts deliveries back in line, on whoever's shard they are. */
export class LineStore {
  async find(tx: Tx, tenantUuid: string, deliveryUuid: string): Promise<LineRow | undefined> {
    const { rows } = await tx.query<LineRow>(
      `SELECT ${COLUMNS} FROM dispatch.delivery WHERE tenant_id = $1::uuid AND delivery_id = $2::uuid`,
      [tenantUuid, deliveryUuid],
    );
    return rows[0];
  }

  /** Dead letters, oldest first. @param limit rows. */
  async findDead(tx: Tx, tenantUuid: string, filter: DeadLetterFilter, limit: number): Promise<LineRow[]> {
    const { rows } = await tx.query<LineRow>(
      `SELECT ${COLUMNS} FROM dispatch.delivery
       WHERE tenant_id = $1::uuid AND state = 'dead'
         AND ($2::uuid IS NULL OR destination_id = $2) AND ($3::text IS NULL OR type = $3)
         AND ($4::uuid IS NULL OR delivery_id >= $4) AND ($5::uuid IS NULL OR delivery_id < $5)
       ORDER BY delivery_id LIMIT $6::int`,
      [
        tenantUuid,
        filter.destinationUuid ?? null,
        filter.type ?? null,
        filter.fromMs === undefined ? null : firstUuidOf(filter.fromMs),
        filter.toMs === undefined ? null : firstUuidOf(filter.toMs),
        limit,
      ],
    );
    return rows;
  }

  /**
   * Keeps whoever holds these shards from committing meanwhile.
   * Why: who releases the next delivery of an order key must see every other that is in line.
   */
  async lockShards(tx: Tx, shards: Iterable<number>): Promise<void> {
    await tx.query(
      `SELECT shard FROM dispatch.shard WHERE shard = ANY ($1::smallint[]) ORDER BY shard FOR NO KEY UPDATE`,
      [[...new Set(shards)]],
    );
  }

  /**
   * Makes them pending and due, those with an order key once they are released; attempts and age count anew.
   * @param nowText RFC 3339. @returns how many were in a state that allows it.
   */
  async putBack(tx: Tx, rows: readonly LineRow[], nowText: string): Promise<number> {
    const { rowCount } = await tx.query(
      `UPDATE dispatch.delivery d
       SET state = 'pending', finished_at = NULL, round_start_count = d.attempt_count,
         round_started_at = $3::timestamptz,
         next_attempt_at = CASE WHEN d.order_key IS NULL THEN $3::timestamptz ELSE 'infinity' END
       FROM unnest($1::uuid[], $2::uuid[]) AS v (tenant_id, delivery_id)
       WHERE d.tenant_id = v.tenant_id AND d.delivery_id = v.delivery_id AND d.state = ANY ($4::text[])`,
      [
        rows.map(({ tenant_id }) => tenant_id),
        rows.map(({ delivery_id }) => delivery_id),
        nowText,
        RETRYABLE_STATES,
      ],
    );
    return rowCount;
  }
}
