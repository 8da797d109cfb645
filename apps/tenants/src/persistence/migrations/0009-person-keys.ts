import { type Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { SCHEMA, WORKER_ROLE } from '../roles.js';

/** What compliance keeps the hashes of persons under, where it was ever changed; two while they move. */
export const PERSON_KEYS: Migration = {
  name: '0009_person_keys',
  up: [
    `CREATE TABLE ${SCHEMA}.person_key (
      tenant_id uuid NOT NULL,
      generation integer NOT NULL CHECK (generation > 0),
      key_id uuid NOT NULL,
      wrapped bytea NOT NULL,
      created_at timestamptz NOT NULL,
      settled_at timestamptz,
      PRIMARY KEY (tenant_id, generation),
      UNIQUE (tenant_id, key_id))`,
    `GRANT SELECT, INSERT, DELETE, UPDATE (wrapped, settled_at) ON ${SCHEMA}.person_key TO ${WORKER_ROLE}`,
    ...tenantTableSql(`${SCHEMA}.person_key`, { workers: [WORKER_ROLE], readers: [] }),
  ],
};
