import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { worker, keeper } = ROLES;

/** Parts of longer texts that wait for the others; `joined_id`: the event that they become. No words: those are content. */
export const MESSAGE_PARTS: Migration = {
  name: '0016_message_parts',
  up: [
    `CREATE TABLE events.message_part (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       source_id uuid NOT NULL,
       text_hash bytea NOT NULL,
       number smallint NOT NULL,
       total smallint NOT NULL,
       person_hash bytea,
       occurred_ms float8 NOT NULL,
       received_ms float8 NOT NULL,
       waits_since timestamptz NOT NULL DEFAULT clock_timestamp(),
       joined_id uuid,
       PRIMARY KEY (tenant_id, event_id)
     )`,
    `CREATE INDEX message_part_joined ON events.message_part (tenant_id, joined_id) WHERE joined_id IS NOT NULL`,
    ...tenantTableSql('events.message_part', { workers: [worker, keeper], readers: [] }),
    `GRANT SELECT, INSERT, UPDATE, DELETE ON events.message_part TO ${worker}`,
    `GRANT SELECT (tenant_id, event_id, person_hash), DELETE ON events.message_part TO ${keeper}`,
    // Whoever puts a text together has to know whose words are to be gone.
    `CREATE POLICY erased_persons ON events.erasure FOR SELECT TO ${worker} USING (true)`,
    `GRANT SELECT (tenant_id, person_hashes, through) ON events.erasure TO ${worker}`,
  ],
};
