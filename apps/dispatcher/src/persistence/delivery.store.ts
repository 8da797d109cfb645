import { uuidText } from '@posthorn/clock/id.js';
import { BatchInsert, type InsertColumn, unnest } from '@posthorn/postgres/batch-insert.js';
import { columnArrays } from '@posthorn/postgres/column-array.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { filter } from '@posthorn/postgres/filter.js';
import { type Delivery, type DeliverableFact } from '../domain/delivery.js';
import { type AttemptResult, type Verdict } from '../domain/retry-policy.js';
import { type DueCursor, type DuePage } from './due-page.js';
import { deliveriesOf, deliveryColumns, type DeliveryRow, encodeFact } from './delivery.rows.js';

/** Rows of one statement, in both directions. */
export const DELIVERY_ROWS_MAX = 512;
const NEVER = 'infinity';

/** What became of a delivery: its attempt, unless none was made, and what comes next. */
export interface Outcome {
  readonly delivery: Delivery;
  readonly attempt: AttemptResult | undefined;
  readonly verdict: Verdict;
  /** Of the destination's configuration that the attempt was made with; 0 = none was, or not known. */
  readonly generation: number;
}

const OUTCOME_COLUMNS: readonly InsertColumn[] = [
  { name: 'tenant_id', type: 'uuid' },
  { name: 'delivery_id', type: 'uuid' },
  { name: 'state', type: 'text' },
  { name: 'attempt_count', type: 'int' },
  { name: 'next_attempt_at', type: 'timestamptz' },
  { name: 'finished_at', type: 'timestamptz' },
  { name: 'started_at', type: 'timestamptz' },
  { name: 'duration_ms', type: 'real' },
  { name: 'status_code', type: 'smallint' },
  { name: 'outcome', type: 'text' },
  { name: 'detail', type: 'text' },
];

const timeText = (ms: number): string => new Date(ms).toISOString();

const OUTCOME_TYPES = OUTCOME_COLUMNS.map(({ type }) => type);

/** Deliveries changed and attempts inserted together. */
const OUTCOME_STATEMENT: Statement = {
  name: 'record_outcomes',
  text: `WITH v AS (SELECT * FROM ${unnest(OUTCOME_COLUMNS)} AS v (${OUTCOME_COLUMNS.map(({ name }) => name).join(', ')})),
    changed AS (
      UPDATE dispatch.delivery d SET state = v.state, attempt_count = v.attempt_count,
        next_attempt_at = coalesce(v.next_attempt_at, d.next_attempt_at), finished_at = v.finished_at
      FROM v WHERE d.tenant_id = v.tenant_id AND d.delivery_id = v.delivery_id AND ${filter('d.finished_at IS NULL')})
    INSERT INTO dispatch.attempt
      (tenant_id, delivery_id, number, started_at, duration_ms, status_code, outcome, detail)
    SELECT tenant_id, delivery_id, attempt_count, started_at, duration_ms, status_code, outcome, detail
    FROM v WHERE outcome IS NOT NULL ON CONFLICT DO NOTHING`,
};

const DUE_STATEMENT: Statement = {
  name: 'due_deliveries',
  text: `SELECT ${deliveryColumns('d')}, d.next_attempt_at::text AS due_at
    FROM unnest($1::smallint[], $2::timestamptz[], $3::uuid[]) AS s (shard, after_at, after_id)
    CROSS JOIN LATERAL (
      SELECT ${deliveryColumns('i')}, i.next_attempt_at FROM dispatch.delivery i
      WHERE i.shard = s.shard AND i.finished_at IS NULL AND i.next_attempt_at <= $4::timestamptz
        AND (i.next_attempt_at, i.delivery_id) > (s.after_at, s.after_id)
        AND i.destination_id <> ALL ($5::uuid[])
      ORDER BY i.next_attempt_at, i.delivery_id LIMIT $6::int) d`,
};

const RELEASE_STATEMENT: Statement = {
  name: 'release_order_keys',
  text: `UPDATE dispatch.delivery d SET next_attempt_at = $4::timestamptz
    FROM (SELECT h.tenant_id, h.delivery_id
          FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS l (tenant_id, destination_id, order_key)
          CROSS JOIN LATERAL (
            SELECT u.tenant_id, u.delivery_id, u.next_attempt_at FROM dispatch.delivery u
            WHERE u.destination_id = l.destination_id AND u.order_key = l.order_key
              AND u.tenant_id = l.tenant_id AND u.finished_at IS NULL
            ORDER BY u.next_attempt_at, u.sequence LIMIT 1) h
          WHERE h.next_attempt_at = '${NEVER}') n
    WHERE d.tenant_id = n.tenant_id AND d.delivery_id = n.delivery_id
    RETURNING ${deliveryColumns('d')}`,
};

/** Writes deliveries and attempts. Every method runs in a transaction that has fenced the shards. */
export class DeliveryStore {
  private readonly inserts = new BatchInsert<[Delivery, Buffer, number], { delivery_id: string }>({
    name: 'insert_deliveries',
    into: 'dispatch.delivery',
    columns: [
      { name: 'tenant_id', type: 'uuid' },
      { name: 'delivery_id', type: 'uuid' },
      { name: 'shard', type: 'smallint' },
      { name: 'destination_id', type: 'uuid' },
      { name: 'fact_id', type: 'uuid' },
      { name: 'event_id', type: 'uuid' },
      { name: 'type', type: 'text' },
      { name: 'order_key', type: 'bytea' },
      { name: 'sequence', type: 'bigint' },
      { name: 'fact', type: 'bytea' },
      { name: 'round_started_at', type: 'timestamptz' },
      { name: 'next_attempt_at', type: 'timestamptz' },
      { name: 'created_at', type: 'timestamptz' },
    ],
    suffix: 'ON CONFLICT DO NOTHING RETURNING delivery_id',
    rowsMax: DELIVERY_ROWS_MAX,
  });

  /**
   * Inserts what is not there yet; those with an order key wait until they are released.
   * @param deliveries at most `DELIVERY_ROWS_MAX`. @returns those that are new.
   */
  async insert(tx: Tx, deliveries: readonly Delivery[], nowMs: number): Promise<Delivery[]> {
    let encoded: { fact: DeliverableFact; bytes: Buffer } | undefined;
    const rows = deliveries.map((delivery): [Delivery, Buffer, number] => {
      // Deliveries of one fact stand together: it is encoded once.
      if (encoded?.fact !== delivery.fact)
        encoded = { fact: delivery.fact, bytes: encodeFact(delivery.fact) };
      return [delivery, encoded.bytes, delivery.orderKey === undefined ? nowMs : Infinity];
    });
    const returned = await this.inserts.run(tx, rows, ([delivery, bytes, dueAtMs]) => [
      delivery.tenantId,
      delivery.deliveryId,
      delivery.shard,
      delivery.destinationUuid,
      delivery.fact.factId,
      delivery.fact.eventId,
      delivery.fact.type,
      delivery.orderKey ?? null,
      delivery.fact.sequence,
      bytes,
      nowMs,
      dueAtMs,
      nowMs,
    ]);
    if (returned.length === deliveries.length) return [...deliveries];
    const isNew = new Set(returned.map(({ delivery_id }) => delivery_id));
    return deliveries.filter(({ deliveryId }) => isNew.has(uuidText(deliveryId)));
  }

  /**
   * Makes the first delivery of each order key due, unless one of that key is in line already.
   * @param held for the lease epochs of what comes back; rows of other shards are released, not returned.
   */
  async release(
    tx: Tx,
    keys: readonly Pick<Delivery, 'tenantId' | 'destinationUuid' | 'orderKey'>[],
    nowMs: number,
    held: ReadonlyMap<number, bigint>,
  ): Promise<Delivery[]> {
    if (keys.length === 0) return [];
    const { rows } = await tx.query<DeliveryRow>(RELEASE_STATEMENT, [
      keys.map(({ tenantId }) => uuidText(tenantId)),
      keys.map(({ destinationUuid }) => uuidText(destinationUuid)),
      keys.map(({ orderKey }) => orderKey!),
      timeText(nowMs),
    ]);
    return deliveriesOf(rows, held);
  }

  /** Stores what became of deliveries that are not finished yet. @param outcomes at most `DELIVERY_ROWS_MAX`. */
  async record(tx: Tx, outcomes: readonly Outcome[], nowMs: number): Promise<void> {
    const rows = outcomes.map((outcome) => outcomeValues(outcome, nowMs));
    await tx.query(OUTCOME_STATEMENT, columnArrays(OUTCOME_TYPES, rows));
  }

  /**
   * One page of what is due, for each shard from its cursor on.
   * @param without destinations (UUID text) that take no more for now. @param limit rows per shard.
   */
  async due(
    tx: Tx,
    held: ReadonlyMap<number, bigint>,
    cursors: readonly DueCursor[],
    without: readonly string[],
    nowMs: number,
    limit: number,
  ): Promise<DuePage<Delivery>> {
    const { rows } = await tx.query<DeliveryRow & { due_at: string }>(DUE_STATEMENT, [
      cursors.map(({ shard }) => shard),
      cursors.map(({ dueAt }) => dueAt),
      cursors.map(({ id }) => id),
      timeText(nowMs),
      without,
      limit,
    ]);
    const next = new Map<number, DueCursor>();
    const counts = new Map<number, number>();
    for (const { shard, due_at, delivery_id } of rows) {
      next.set(shard, { shard, dueAt: due_at, id: delivery_id });
      counts.set(shard, (counts.get(shard) ?? 0) + 1);
    }
    return { items: deliveriesOf(rows, held), rowsOfShard: counts, cursors: next };
  }
}

function outcomeValues({ delivery, attempt, verdict }: Outcome, nowMs: number): unknown[] {
  const { state, nextAttemptAtMs } = verdict;
  return [
    delivery.tenantId,
    delivery.deliveryId,
    state,
    delivery.attemptCount + (attempt === undefined ? 0 : 1),
    nextAttemptAtMs ?? null,
    state === 'retrying' ? null : nowMs,
    attempt?.startedAtMs ?? null,
    attempt?.durationMs ?? null,
    attempt?.status ?? null,
    attempt?.outcome ?? null,
    attempt?.detail ?? null,
  ];
}
