import type { Migration } from '@posthorn/postgres/migrate.js';

/** What was told of a person last. */
export const TOLD_PERSONS: Migration = {
  name: '0006_told_persons',
  up: [
    `CREATE INDEX CONCURRENTLY IF NOT EXISTS outgoing_person
       ON compliance.outgoing (tenant_id, person_hash, occurred_at DESC)`,
  ],
};
