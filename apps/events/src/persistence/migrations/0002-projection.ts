import type { Migration } from '@posthorn/postgres/migrate.js';
import { partitionFunctionSql } from '@posthorn/postgres/partitions.js';
import { SHARD_TABLE_SQL, shardGrantsSql } from '@posthorn/postgres/shard-leases.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { worker, reader } = ROLES;

/**
 * State, timeline, outbox, quarantine, and the cursors.
 * `outbox` holds facts of all tenants and is read by lane only, by services; no tenant-facing role may touch it.
 * Why its key has the event: it is dropped by the day like the log; that a number is given once follows from
 * the head in `shard`, which moves in the same transaction.
 * `message` changes no indexed column after its first row, so updates stay on their page.
 */
export const PROJECTION: Migration = {
  name: '0002_projection',
  up: [
    ...SHARD_TABLE_SQL(
      'events',
      `cursor_xid xid8 NOT NULL DEFAULT '0',
       cursor_position bigint NOT NULL DEFAULT 0,
       head_sequence bigint NOT NULL DEFAULT 0`,
    ),
    `CREATE TABLE events.message (
       tenant_id uuid NOT NULL,
       message_id uuid NOT NULL,
       source_id uuid NOT NULL,
       provider_message_id text COLLATE "C" NOT NULL,
       state text COLLATE "C" NOT NULL,
       state_changed_at timestamptz NOT NULL,
       is_contradicted boolean NOT NULL,
       evidence bytea NOT NULL,
       channel text COLLATE "C" NOT NULL,
       direction text COLLATE "C" NOT NULL,
       campaign text COLLATE "C" NOT NULL,
       conversation_id uuid,
       person_hash bytea,
       PRIMARY KEY (tenant_id, message_id),
       UNIQUE (tenant_id, provider_message_id, source_id)
     ) WITH (fillfactor = 80)`,
    `CREATE TABLE events.transition (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       message_id uuid,
       from_state text COLLATE "C" NOT NULL,
       to_state text COLLATE "C" NOT NULL,
       effect text COLLATE "C" NOT NULL,
       is_applied boolean NOT NULL,
       occurred_at timestamptz,
       received_at timestamptz NOT NULL,
       projected_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, event_id)
     ) PARTITION BY RANGE (event_id)`,
    `CREATE INDEX transition_message ON events.transition (tenant_id, message_id, event_id)`,
    `CREATE TABLE events.outbox (
       shard smallint NOT NULL,
       sequence bigint NOT NULL,
       event_id uuid NOT NULL,
       fact bytea NOT NULL,
       PRIMARY KEY (shard, sequence, event_id)
     ) PARTITION BY RANGE (event_id)`,
    `CREATE TABLE events.quarantine (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       shard smallint NOT NULL,
       cause text NOT NULL,
       quarantined_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, event_id)
     )`,
    ...tenantTableSql('events.message', { workers: [worker], readers: [reader] }),
    ...tenantTableSql('events.transition', { workers: [worker], readers: [reader] }),
    ...tenantTableSql('events.quarantine', { workers: [worker], readers: [reader] }),
    ...shardGrantsSql('events', worker),
    `GRANT SELECT (shard, cursor_xid, cursor_position) ON events.shard TO ${reader}`,
    `GRANT SELECT, INSERT, UPDATE ON events.message TO ${worker}`,
    `GRANT INSERT ON events.transition, events.quarantine TO ${worker}`,
    `GRANT SELECT, INSERT ON events.outbox TO ${worker}`,
    `GRANT SELECT ON events.message, events.transition, events.quarantine TO ${reader}`,
    ...partitionFunctionSql('events', ['raw', 'content', 'event_log', 'transition', 'outbox'], [worker]),
  ],
};
