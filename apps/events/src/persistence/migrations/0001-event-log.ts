import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { append, worker, reader } = ROLES;

/**
 * Deduplication, raw requests, personal data, and the log.
 * Bodies are encrypted, so they are stored EXTERNAL: compression would only cost time.
 * The log's order is (xid, position): sequence order alone is not commit order. `position` only orders the rows
 * of one transaction, so each session may keep a stock of numbers.
 */
export const EVENT_LOG: Migration = {
  name: '0001_event_log',
  up: [
    `CREATE TABLE events.dedup (
       tenant_id uuid NOT NULL,
       source_id uuid NOT NULL,
       dedup_hash bytea NOT NULL,
       event_id uuid NOT NULL,
       stored_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (tenant_id, source_id, dedup_hash)
     )`,
    `CREATE TABLE events.raw (
       tenant_id uuid NOT NULL,
       request_id uuid NOT NULL,
       source_id uuid NOT NULL,
       data_key_id uuid NOT NULL,
       received_at timestamptz NOT NULL,
       body bytea NOT NULL,
       PRIMARY KEY (tenant_id, request_id)
     ) PARTITION BY RANGE (request_id)`,
    `ALTER TABLE events.raw ALTER COLUMN body SET STORAGE EXTERNAL`,
    `CREATE TABLE events.content (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       person_hash bytea,
       data_key_id uuid NOT NULL,
       body bytea NOT NULL,
       PRIMARY KEY (tenant_id, event_id)
     ) PARTITION BY RANGE (event_id)`,
    `ALTER TABLE events.content ALTER COLUMN body SET STORAGE EXTERNAL`,
    `CREATE SEQUENCE events.event_log_position CACHE 64`,
    `CREATE TABLE events.event_log (
       shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 63),
       xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
       position bigint NOT NULL DEFAULT nextval('events.event_log_position'),
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       source_id uuid NOT NULL,
       request_id uuid,
       secret_id uuid,
       type text COLLATE "C" NOT NULL,
       provider text COLLATE "C" NOT NULL,
       provider_event_id text COLLATE "C" NOT NULL,
       person_hash bytea,
       conversation_id uuid,
       occurred_at timestamptz,
       received_at timestamptz NOT NULL,
       stored_at timestamptz NOT NULL DEFAULT now(),
       traceparent text COLLATE "C" NOT NULL,
       attributes bytea NOT NULL,
       PRIMARY KEY (tenant_id, event_id)
     ) PARTITION BY RANGE (event_id)`,
    `CREATE INDEX event_log_cursor ON events.event_log (shard, xid, position)`,
    ...tenantTableSql('events.dedup', { workers: [append], readers: [] }),
    ...tenantTableSql('events.raw', { workers: [append], readers: [reader] }),
    ...tenantTableSql('events.content', { workers: [append], readers: [reader] }),
    ...tenantTableSql('events.event_log', { workers: [append, worker], readers: [reader] }),
    `GRANT INSERT ON events.dedup, events.raw, events.content, events.event_log TO ${append}`,
    `GRANT USAGE ON SEQUENCE events.event_log_position TO ${append}`,
    // RETURNING needs it; nothing else of any row can be read by this role.
    `GRANT SELECT (event_id) ON events.dedup TO ${append}`,
    `GRANT SELECT ON events.event_log TO ${worker}`,
    `GRANT SELECT ON events.event_log, events.raw, events.content TO ${reader}`,
  ],
};
