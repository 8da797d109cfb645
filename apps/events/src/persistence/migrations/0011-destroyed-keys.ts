import type { Migration } from '@posthorn/postgres/migrate.js';
import { ROLES } from '../roles.js';

/** Which data keys went with what they sealed. */
export const DESTROYED_KEYS: Migration = {
  name: '0011_destroyed_keys',
  up: [
    `ALTER TABLE events.retention_run ADD COLUMN key_ids uuid[] NOT NULL DEFAULT '{}'`,
    // So that each is told of once.
    `GRANT SELECT (tenant_id, run_id, data_class, key_ids) ON events.retention_run TO ${ROLES.keeper}`,
  ],
};
