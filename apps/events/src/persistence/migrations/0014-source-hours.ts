import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

/** Requests that were authentic, by source and hour since 1970: what a rate of the last days is made of. */
export const SOURCE_HOURS: Migration = {
  name: '0014_source_hours',
  up: [
    `CREATE TABLE events.source_hour (
       tenant_id uuid NOT NULL,
       source_id uuid NOT NULL,
       hour integer NOT NULL,
       authentic bigint NOT NULL,
       PRIMARY KEY (tenant_id, source_id, hour)
     ) WITH (fillfactor = 70)`,
    ...tenantTableSql('events.source_hour', { workers: [ROLES.worker], readers: [ROLES.reader] }),
    `GRANT SELECT, INSERT, UPDATE, DELETE ON events.source_hour TO ${ROLES.worker}`,
    `GRANT SELECT ON events.source_hour TO ${ROLES.reader}`,
  ],
};
