import { type Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { SCHEMA, WORKER_ROLE } from '../roles.js';

/** What compliance seals proofs of consents, reasons and notes with. */
export const RECORD_KEYS: Migration = {
  name: '0010_record_keys',
  up: [
    `CREATE TABLE ${SCHEMA}.record_key (
      tenant_id uuid PRIMARY KEY,
      key_id uuid NOT NULL,
      wrapped bytea NOT NULL,
      created_at timestamptz NOT NULL)`,
    `GRANT SELECT, INSERT, DELETE, UPDATE (wrapped) ON ${SCHEMA}.record_key TO ${WORKER_ROLE}`,
    ...tenantTableSql(`${SCHEMA}.record_key`, { workers: [WORKER_ROLE], readers: [] }),
  ],
};
