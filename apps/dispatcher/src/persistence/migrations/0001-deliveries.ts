import type { Migration } from '@posthorn/postgres/migrate.js';
import { partitionFunctionSql } from '@posthorn/postgres/partitions.js';
import { SHARD_TABLE_SQL, shardGrantsSql } from '@posthorn/postgres/shard-leases.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const SCHEMA = 'dispatch';
const POSITION_COLUMNS = `fact_epoch text NOT NULL DEFAULT '', fact_sequence bigint NOT NULL DEFAULT 0`;

/**
 * Both tables are partitioned by the day of the delivery's ID, which is the day of its fact, so that an old day
 * is dropped, never deleted row by row.
 * `next_attempt_at` is `infinity` for a delivery that waits for an earlier one of its order key: the due
 * index then holds exactly what may be sent, also after a restart.
 */
const TABLES = [
  `CREATE TABLE dispatch.delivery (
     tenant_id uuid NOT NULL,
     delivery_id uuid NOT NULL,
     shard smallint NOT NULL,
     destination_id uuid NOT NULL,
     fact_id uuid NOT NULL,
     event_id uuid NOT NULL,
     type text NOT NULL,
     order_key bytea,
     sequence bigint NOT NULL,
     fact bytea NOT NULL,
     state text NOT NULL DEFAULT 'pending'
       CHECK (state IN ('pending', 'retrying', 'succeeded', 'dead', 'suppressed', 'canceled')),
     attempt_count int NOT NULL DEFAULT 0,
     round_start_count int NOT NULL DEFAULT 0,
     round_started_at timestamptz NOT NULL,
     next_attempt_at timestamptz NOT NULL,
     created_at timestamptz NOT NULL,
     finished_at timestamptz,
     PRIMARY KEY (tenant_id, delivery_id)
   ) PARTITION BY RANGE (delivery_id)`,
  `CREATE INDEX delivery_due ON dispatch.delivery (shard, next_attempt_at, delivery_id) WHERE finished_at IS NULL`,
  `CREATE INDEX delivery_lane ON dispatch.delivery (destination_id, order_key, next_attempt_at, sequence)
     WHERE finished_at IS NULL AND order_key IS NOT NULL`,
  `CREATE INDEX delivery_event ON dispatch.delivery (tenant_id, event_id)`,
  `CREATE INDEX delivery_dead ON dispatch.delivery (tenant_id, delivery_id) WHERE state = 'dead'`,
  `CREATE TABLE dispatch.attempt (
     tenant_id uuid NOT NULL,
     delivery_id uuid NOT NULL,
     number int NOT NULL,
     started_at timestamptz NOT NULL,
     duration_ms real NOT NULL,
     status_code smallint NOT NULL,
     outcome text NOT NULL,
     detail text NOT NULL,
     PRIMARY KEY (tenant_id, delivery_id, number)
   ) PARTITION BY RANGE (delivery_id)`,
];

/** Deliveries, their attempts, and how far the facts have been read. */
export const DELIVERIES: Migration = {
  name: '0001_deliveries',
  up: [
    ...SHARD_TABLE_SQL(SCHEMA, POSITION_COLUMNS),
    ...shardGrantsSql(SCHEMA, ROLES.worker),
    ...TABLES,
    ...partitionFunctionSql(SCHEMA, ['delivery', 'attempt'], [ROLES.worker]),
    ...['dispatch.delivery', 'dispatch.attempt'].flatMap((table) => [
      ...tenantTableSql(table, { workers: [ROLES.worker], readers: [ROLES.reader] }),
      `GRANT SELECT, INSERT, UPDATE ON ${table} TO ${ROLES.worker}`,
      `GRANT SELECT ON ${table} TO ${ROLES.reader}`,
    ]),
  ],
};
