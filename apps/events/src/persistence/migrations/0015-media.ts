import type { Migration } from '@posthorn/postgres/migrate.js';
import { partitionFunctionSql } from '@posthorn/postgres/partitions.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { worker, reader, keeper } = ROLES;

/** Tables that are dropped by the day. */
const PARTITIONED = ['raw', 'content', 'event_log', 'transition', 'outbox', 'refusal', 'media'];

/** The function of migration 0002, with one more table. */
const ensurePartitions = partitionFunctionSql('events', PARTITIONED, [])
  .find((statement) => statement.startsWith('CREATE FUNCTION events.ensure_partitions'))!
  .replace('CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION');

/** The function of migration 0005, with one more table. */
const DROP_PARTITION = `CREATE OR REPLACE FUNCTION events.drop_partition(parent text, day date) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '250ms' AS $$
  DECLARE
    part text := parent || '_p' || to_char(day, 'YYYYMMDD');
  BEGIN
    IF parent NOT IN (${PARTITIONED.map((table) => `'${table}'`).join(', ')}) THEN RAISE 'not a partitioned table'; END IF;
    IF day > current_date - (CASE parent WHEN 'refusal' THEN 4 ELSE 7 END) THEN RAISE 'too young'; END IF;
    IF to_regclass(format('events.%I', part)) IS NULL THEN RETURN false; END IF;
    EXECUTE format('DROP TABLE events.%I', part);
    RETURN true;
  END $$`;

/**
 * Media that events refer to: what is still to be fetched, what became of it, and its bytes, sealed.
 * Why one row for both: whoever erases a person deletes it, and bytes that are on their way then find no row to go into.
 */
export const MEDIA: Migration = {
  name: '0015_media',
  up: [
    // `due_at`: when it may be handed out (again); while somebody has it, the end of the lease.
    `CREATE TABLE events.media (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       place smallint NOT NULL CHECK (place BETWEEN 0 AND 9),
       source_id uuid NOT NULL,
       provider text COLLATE "C" NOT NULL,
       state text COLLATE "C" NOT NULL DEFAULT 'pending'
         CHECK (state IN ('pending', 'stored', 'gone', 'refused', 'too_large', 'failed')),
       reason text COLLATE "C" NOT NULL DEFAULT '',
       attempts integer NOT NULL DEFAULT 0,
       holder text COLLATE "C" NOT NULL DEFAULT '',
       due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
       expires_at timestamptz NOT NULL,
       settled_at timestamptz,
       content_type text COLLATE "C" NOT NULL DEFAULT '',
       size_bytes integer NOT NULL DEFAULT 0,
       data_key_id uuid,
       body bytea,
       CHECK ((state = 'stored') = (body IS NOT NULL)),
       PRIMARY KEY (tenant_id, event_id, place)
     ) PARTITION BY RANGE (event_id)`,
    `ALTER TABLE events.media ALTER COLUMN body SET STORAGE EXTERNAL`,
    `CREATE INDEX media_due ON events.media (tenant_id, due_at) WHERE state = 'pending'`,
    `CREATE TABLE events.media_default PARTITION OF events.media DEFAULT`,
    ...tenantTableSql('events.media', { workers: [worker, keeper], readers: [reader] }),
    // The worker writes bodies, and reads none.
    `GRANT SELECT (tenant_id, event_id, place, source_id, provider, state, reason, attempts, holder, due_at, expires_at),
       INSERT (tenant_id, event_id, place, source_id, provider, expires_at),
       UPDATE (state, reason, attempts, holder, due_at, settled_at, content_type, size_bytes, data_key_id, body)
       ON events.media TO ${worker}`,
    `GRANT SELECT ON events.media TO ${reader}`,
    `GRANT SELECT (tenant_id, event_id), DELETE ON events.media TO ${keeper}`,
    ensurePartitions,
    DROP_PARTITION,
    `ALTER TABLE events.erasure ADD COLUMN media_rows bigint NOT NULL DEFAULT 0`,
  ],
};
