import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { keeper, reader } = ROLES;

/** What is parsed again that was not understood, how far that is, and what of it is understood now. */
export const REPROCESSING: Migration = {
  name: '0012_reprocessing',
  up: [
    // `cursor`: events up to here were looked at. `claimed`, `page_through`: the page at one caller, until `lease_until`.
    `CREATE TABLE events.reprocessing (
       tenant_id uuid NOT NULL,
       reprocessing_id uuid NOT NULL,
       source_id uuid,
       provider text COLLATE "C" NOT NULL,
       kind text COLLATE "C" NOT NULL,
       from_ms float8 NOT NULL,
       to_ms float8 NOT NULL,
       cursor uuid NOT NULL,
       before uuid NOT NULL,
       holder text COLLATE "C" NOT NULL DEFAULT '',
       lease_until timestamptz,
       tries integer NOT NULL DEFAULT 0,
       claimed uuid[] NOT NULL DEFAULT '{}',
       page_through uuid,
       looked_at bigint NOT NULL DEFAULT 0,
       understood bigint NOT NULL DEFAULT 0,
       has_more boolean NOT NULL DEFAULT false,
       completed_at timestamptz,
       stored_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (tenant_id, reprocessing_id)
     )`,
    `CREATE INDEX reprocessing_open ON events.reprocessing (stored_at) WHERE completed_at IS NULL`,
    // Log rows are never updated, so what became of them stands here.
    `CREATE TABLE events.reprocessed (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       reprocessing_id uuid NOT NULL,
       stored_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (tenant_id, event_id)
     )`,
    ...['reprocessing', 'reprocessed'].flatMap((table) =>
      tenantTableSql(`events.${table}`, { workers: [keeper], readers: [reader] }),
    ),
    `GRANT SELECT, UPDATE, DELETE ON events.reprocessing TO ${keeper}`,
    `GRANT SELECT, INSERT ON events.reprocessing TO ${reader}`,
    `GRANT SELECT, INSERT, DELETE ON events.reprocessed TO ${keeper}`,
    `GRANT SELECT ON events.reprocessed TO ${reader}`,
    `GRANT SELECT (type) ON events.event_log TO ${keeper}`,
  ],
};
