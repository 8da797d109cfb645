import type { Migration } from '@posthorn/postgres/migrate.js';
import { ROLES } from '../roles.js';

const { keeper } = ROLES;

/**
 * When the last authentic request came, whatever its scheme: whether a source fails is seen by that beside its refusals.
 * The version before leaves the column as it is.
 */
export const FAILING_SOURCES: Migration = {
  name: '0023_failing_sources',
  up: [
    `ALTER TABLE events.source_tally ADD COLUMN authentic_at timestamptz`,
    `CREATE POLICY all_tenants_keeper ON events.source_tally TO ${keeper} USING (true)`,
    `GRANT SELECT (tenant_id, source_id, unauthentic, last_event_at, secret_at, authentic_at)
       ON events.source_tally TO ${keeper}`,
  ],
};
