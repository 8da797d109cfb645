import type { Statement, Tx } from '@posthorn/postgres/database.js';

/** What a line of the dispatcher works on, and by which column of it something is due. */
interface DueTable {
  readonly table: string;
  readonly dueAt: string;
  readonly lane: string;
  readonly id: string;
  /** Rows that wait for somebody else's word, not for their turn. */
  readonly without?: string;
}

const DELIVERIES: DueTable = {
  table: 'dispatch.delivery',
  dueAt: 'next_attempt_at',
  lane: 'destination_id',
  id: 'delivery_id',
};
const COMMANDS: DueTable = {
  table: 'dispatch.command',
  dueAt: 'due_at',
  lane: 'source_id',
  id: 'message_id',
  without: "AND i.state NOT IN ('sending', 'indeterminate')",
};

/** One step into the due index of each shard. */
const oldestStatement = ({ table, dueAt, lane, id, without = '' }: DueTable): Statement => ({
  name: `oldest_due_of_${table}`,
  text: `SELECT min(oldest.due_at) AS due_at
    FROM unnest($1::smallint[]) AS s (shard)
    CROSS JOIN LATERAL (
      SELECT i.${dueAt} AS due_at FROM ${table} i
      WHERE i.shard = s.shard AND i.finished_at IS NULL AND i.${dueAt} <= $2::timestamptz
        AND i.${lane} <> ALL ($3::uuid[]) ${without}
      ORDER BY i.${dueAt}, i.${id} LIMIT 1) oldest`,
});
const [OLDEST_DELIVERY, OLDEST_COMMAND] = [oldestStatement(DELIVERIES), oldestStatement(COMMANDS)];

/** Reads how long what is due has waited. */
export class BacklogRead {
  /** @param without destinations (UUID text) to leave out. @returns Unix milliseconds; undefined: nothing is due. */
  oldestDelivery(
    db: Pick<Tx, 'query'>,
    shards: readonly number[],
    without: readonly string[],
    nowMs: number,
  ) {
    return this.oldest(db, OLDEST_DELIVERY, shards, without, nowMs);
  }

  /** @param without sources (UUID text) to leave out. @returns Unix milliseconds; undefined: nothing is due. */
  oldestCommand(db: Pick<Tx, 'query'>, shards: readonly number[], without: readonly string[], nowMs: number) {
    return this.oldest(db, OLDEST_COMMAND, shards, without, nowMs);
  }

  private async oldest(
    db: Pick<Tx, 'query'>,
    statement: Statement,
    shards: readonly number[],
    without: readonly string[],
    nowMs: number,
  ): Promise<number | undefined> {
    const values = [shards, new Date(nowMs).toISOString(), without];
    const { rows } = await db.query<{ due_at: Date | null }>(statement, values);
    return rows[0]?.due_at?.getTime();
  }
}
