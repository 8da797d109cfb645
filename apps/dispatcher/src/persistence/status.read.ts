import { insertedRowsSql } from '@posthorn/postgres/counter-rates.js';
import type { Statement } from '@posthorn/postgres/database.js';
import type { WorkerDatabase } from './databases.js';

/** What waits to go out, for all tenants. Counts are up to a bound; times Unix milliseconds, undefined = none. */
export interface OutStatus {
  readonly deliveries: {
    readonly open: number;
    readonly oldestAtMs: number | undefined;
    /** Had at least one attempt. */
    readonly retrying: number;
    readonly retryingSinceMs: number | undefined;
  };
  readonly dead: {
    readonly count: number;
    readonly oldestAtMs: number | undefined;
    /** Died after the moment that was asked for. */
    readonly recent: number;
  };
  readonly commands: {
    readonly open: number;
    readonly oldestAtMs: number | undefined;
    readonly indeterminate: number;
    /** Handed to its provider at least once, and still to be sent. */
    readonly retrying: number;
  };
}

/** What counts beyond this says nothing more. */
export const STATUS_COUNT_MAX = 10_000;

/** In the order of their partial indexes, so that nothing else is read. */
const READ: Statement = {
  name: 'out_status',
  text: `
SELECT d.*, x.*, c.*
FROM (
  SELECT count(*)::int4 AS open, date_part('epoch', min(created_at)) * 1000 AS oldest,
    (count(*) FILTER (WHERE attempt_count > 0))::int4 AS retrying,
    date_part('epoch', min(created_at) FILTER (WHERE attempt_count > 0)) * 1000 AS retrying_since
  FROM (SELECT created_at, attempt_count FROM dispatch.delivery WHERE finished_at IS NULL
        ORDER BY shard, next_attempt_at, delivery_id LIMIT ${STATUS_COUNT_MAX}) d
) d, (
  SELECT count(*)::int4 AS dead, date_part('epoch', min(finished_at)) * 1000 AS dead_oldest,
    (count(*) FILTER (WHERE finished_at > to_timestamp($1::float8 / 1000)))::int4 AS dead_recent
  FROM (SELECT finished_at FROM dispatch.delivery WHERE state = 'dead'
        ORDER BY tenant_id, delivery_id LIMIT ${STATUS_COUNT_MAX}) x
) x, (
  SELECT count(*)::int4 AS commands, date_part('epoch', min(created_at)) * 1000 AS commands_oldest,
    (count(*) FILTER (WHERE state = 'indeterminate'))::int4 AS indeterminate,
    (count(*) FILTER (WHERE attempt_count > 0 AND state IN ('accepted', 'scheduled', 'deferred')))::int4
      AS commands_retrying
  FROM (SELECT created_at, state, attempt_count FROM dispatch.command WHERE finished_at IS NULL
        ORDER BY shard, due_at, message_id LIMIT ${STATUS_COUNT_MAX}) c
) c`,
};

/** What rates are made of. */
export const OUT_COUNTERS: Statement = {
  name: 'out_counters',
  text: `SELECT ${insertedRowsSql('dispatch.attempt')} AS attempts,
           ${insertedRowsSql('dispatch.command_attempt')} AS sends`,
};

interface Row {
  open: number;
  oldest: number | null;
  retrying: number;
  retrying_since: number | null;
  dead: number;
  dead_oldest: number | null;
  dead_recent: number;
  commands: number;
  commands_oldest: number | null;
  indeterminate: number;
  commands_retrying: number;
}

/** Reads what waits to go out, over all tenants. */
export class StatusRead {
  constructor(private readonly db: Pick<WorkerDatabase, 'query'>) {}

  /** @param recentFromMs Unix milliseconds. */
  async out(recentFromMs: number): Promise<OutStatus> {
    const { rows } = await this.db.query<Row>(READ, [recentFromMs]);
    const row = rows[0]!;
    return {
      deliveries: {
        open: row.open,
        oldestAtMs: row.oldest ?? undefined,
        retrying: row.retrying,
        retryingSinceMs: row.retrying_since ?? undefined,
      },
      dead: { count: row.dead, oldestAtMs: row.dead_oldest ?? undefined, recent: row.dead_recent },
      commands: {
        open: row.commands,
        oldestAtMs: row.commands_oldest ?? undefined,
        indeterminate: row.indeterminate,
        retrying: row.commands_retrying,
      },
    };
  }
}
