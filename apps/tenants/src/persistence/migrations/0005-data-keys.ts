import { type Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { SCHEMA, WORKER_ROLE } from '../roles.js';

const TABLES = ['data_key_renewal', 'destroyed_data_key'];

/**
 * Further generations of a week's data key, and which keys were destroyed.
 * Why a table beside `data_key`, which has the first generation of each week: a version of the service that knows of
 * no other goes on making it, as long as both run.
 */
export const DATA_KEYS: Migration = {
  name: '0005_data_keys',
  up: [
    `CREATE TABLE ${SCHEMA}.data_key_renewal (
      tenant_id uuid NOT NULL,
      week_start_day integer NOT NULL CHECK ((week_start_day + 3) % 7 = 0),
      generation integer NOT NULL CHECK (generation > 0),
      key_id uuid NOT NULL,
      wrapped bytea NOT NULL,
      created_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, week_start_day, generation),
      UNIQUE (tenant_id, key_id))`,
    `CREATE TABLE ${SCHEMA}.destroyed_data_key (
      tenant_id uuid NOT NULL,
      key_id uuid NOT NULL,
      week_start_day integer NOT NULL,
      generation integer NOT NULL,
      destroyed_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, key_id))`,
    `GRANT SELECT, INSERT, DELETE, UPDATE (wrapped) ON ${SCHEMA}.data_key_renewal TO ${WORKER_ROLE}`,
    `GRANT SELECT, INSERT ON ${SCHEMA}.destroyed_data_key TO ${WORKER_ROLE}`,
    `GRANT UPDATE (key_id, created_at) ON ${SCHEMA}.secret_key TO ${WORKER_ROLE}`,
    ...TABLES.flatMap((table) =>
      tenantTableSql(`${SCHEMA}.${table}`, { workers: [WORKER_ROLE], readers: [] }),
    ),
  ],
};
