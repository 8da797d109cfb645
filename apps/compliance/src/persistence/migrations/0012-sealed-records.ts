import type { Migration } from '@posthorn/postgres/migrate.js';
import { CLEAR_RECORDS } from '../clear-records.sql.js';
import { WORKER_ROLE } from '../roles.js';

/** Proofs are sealed where they are; all else that is sealed can be changed already. */
export const SEALED_RECORDS: Migration = {
  name: '0012_sealed_records',
  up: [`GRANT UPDATE (proof) ON compliance.consent_proof TO ${WORKER_ROLE}`],
};

/** Finds what stands in the clear: once all of it is sealed these are empty. */
export const CLEAR_RECORD_INDEXES: Migration = {
  name: '0013_clear_records',
  up: Object.values(CLEAR_RECORDS).map(
    ({ table, id, isClear }) =>
      `CREATE INDEX CONCURRENTLY IF NOT EXISTS ${table}_clear ON compliance.${table} (tenant_id, ${id}) WHERE ${isClear}`,
  ),
};
