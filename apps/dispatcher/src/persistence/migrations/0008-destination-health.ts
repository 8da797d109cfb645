import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const TABLES = [
  `CREATE TABLE dispatch.destination_failure (
     tenant_id uuid NOT NULL,
     destination_id uuid NOT NULL,
     generation int NOT NULL,
     failing_since timestamptz NOT NULL,
     last_failed_at timestamptz NOT NULL,
     failed_hours int NOT NULL,
     PRIMARY KEY (tenant_id, destination_id)
   )`,
  // Rows stay a while when they are told: the same is not told again.
  `CREATE TABLE dispatch.destination_report (
     tenant_id uuid NOT NULL,
     destination_id uuid NOT NULL,
     generation int NOT NULL,
     number bigint NOT NULL UNIQUE,
     reason text NOT NULL CHECK (reason IN ('gone', 'failing')),
     failing_since timestamptz NOT NULL,
     last_status int NOT NULL,
     last_outcome text NOT NULL,
     created_at timestamptz NOT NULL,
     PRIMARY KEY (tenant_id, destination_id, generation)
   )`,
  `CREATE TABLE dispatch.destination_report_counter (
     name text PRIMARY KEY CHECK (name IN ('numbered', 'relayed')),
     value bigint NOT NULL
   ) WITH (fillfactor = 50)`,
  `INSERT INTO dispatch.destination_report_counter (name, value) VALUES ('numbered', 0), ('relayed', 0)`,
];
const worker = { workers: [ROLES.worker], readers: [] };

/** Since when destinations fail, which of them tenants is to disable, and the fact that it did. */
export const DESTINATION_HEALTH: Migration = {
  name: '0008_destination_health',
  up: [
    ...TABLES,
    ...['dispatch.destination_failure', 'dispatch.destination_report'].flatMap((table) =>
      tenantTableSql(table, worker),
    ),
    `GRANT SELECT, INSERT, UPDATE, DELETE ON dispatch.destination_failure TO ${ROLES.worker}`,
    `GRANT SELECT, INSERT, DELETE ON dispatch.destination_report TO ${ROLES.worker}`,
    `GRANT SELECT, UPDATE ON dispatch.destination_report_counter TO ${ROLES.worker}`,
    `ALTER TABLE dispatch.outgoing ADD COLUMN destination_id uuid`,
  ],
};
