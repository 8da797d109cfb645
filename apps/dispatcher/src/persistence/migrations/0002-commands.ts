import type { Migration } from '@posthorn/postgres/migrate.js';
import { partitionFunctionSql } from '@posthorn/postgres/partitions.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const SCHEMA = 'dispatch';
const DELIVERY_TABLES = ['delivery', 'attempt'];
const COMMAND_TABLES = ['command', 'command_attempt', 'command_content'];

/**
 * Commands, their attempts and contents are partitioned by the day of the message's ID.
 * `due_at` is `infinity` for one that only a callback or a person can move on.
 */
const PARTITIONED = [
  `CREATE TABLE dispatch.command (
     tenant_id uuid NOT NULL,
     message_id uuid NOT NULL,
     shard smallint NOT NULL,
     source_id uuid NOT NULL,
     channel text NOT NULL CHECK (channel IN ('sms', 'email', 'chat', 'push')),
     category text NOT NULL CHECK (category IN ('transactional', 'marketing')),
     program text NOT NULL,
     campaign text NOT NULL,
     person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
     conversation_id uuid NOT NULL,
     sender text NOT NULL CHECK (sender IN ('bot', 'agent')),
     fencing_token bigint NOT NULL,
     answers_event_id uuid,
     rule_id uuid,
     trigger_event_id uuid,
     is_replay boolean NOT NULL,
     last_inbound_at timestamptz,
     traceparent text NOT NULL,
     state text NOT NULL CHECK (state IN ('accepted', 'scheduled', 'deferred', 'blocked', 'sending',
       'indeterminate', 'sent', 'failed', 'canceled', 'expired')),
     state_changed_at timestamptz NOT NULL,
     due_at timestamptz NOT NULL,
     not_after timestamptz NOT NULL,
     attempt_count int NOT NULL DEFAULT 0,
     lookup_count int NOT NULL DEFAULT 0,
     sent_at timestamptz,
     provider_message_id text NOT NULL DEFAULT '',
     decision_rule text NOT NULL DEFAULT '',
     decision_detail text NOT NULL DEFAULT '',
     error_code text NOT NULL DEFAULT '',
     detail text NOT NULL DEFAULT '',
     created_at timestamptz NOT NULL,
     finished_at timestamptz,
     PRIMARY KEY (tenant_id, message_id)
   ) PARTITION BY RANGE (message_id)`,
  `CREATE INDEX command_due ON dispatch.command (shard, due_at, message_id) WHERE finished_at IS NULL`,
  // Few at any moment: what a provider reports is compared with all of them.
  `CREATE INDEX command_open ON dispatch.command (tenant_id, message_id) WHERE state IN ('sending', 'indeterminate')`,
  `CREATE INDEX command_person ON dispatch.command (tenant_id, person_hash, message_id)`,
  // The row of an attempt is there before its first byte is on the wire.
  `CREATE TABLE dispatch.command_attempt (
     tenant_id uuid NOT NULL,
     message_id uuid NOT NULL,
     number int NOT NULL,
     permit_id text NOT NULL,
     started_at timestamptz NOT NULL,
     duration_ms real NOT NULL,
     outcome text NOT NULL CHECK (outcome IN ('sending', 'sent', 'refused', 'not_sent', 'unknown')),
     error_code text NOT NULL,
     detail text NOT NULL,
     PRIMARY KEY (tenant_id, message_id, number)
   ) PARTITION BY RANGE (message_id)`,
  // Personal data, sealed: the whole body, and what the log gets of it.
  `CREATE TABLE dispatch.command_content (
     tenant_id uuid NOT NULL,
     message_id uuid NOT NULL,
     person_hash bytea NOT NULL,
     data_key_id uuid NOT NULL,
     body bytea NOT NULL,
     event_content bytea NOT NULL,
     PRIMARY KEY (tenant_id, message_id)
   ) PARTITION BY RANGE (message_id)`,
  `CREATE INDEX command_content_person ON dispatch.command_content (tenant_id, person_hash)`,
];

const TABLES = [
  // One command per idempotency key of a caller, and per (rule, event): hashes, so that no key tells anything.
  `CREATE TABLE dispatch.command_key (
     tenant_id uuid NOT NULL,
     kind text NOT NULL CHECK (kind IN ('idempotency', 'effect')),
     key_hash bytea NOT NULL CHECK (length(key_hash) = 16),
     body_hash bytea NOT NULL CHECK (length(body_hash) = 16),
     message_id uuid NOT NULL,
     expires_at timestamptz NOT NULL,
     PRIMARY KEY (tenant_id, kind, key_hash)
   )`,
  `CREATE INDEX command_key_expiry ON dispatch.command_key (expires_at)`,
  // Numbered without gaps: the counter's row is locked until the commit. Rows go once the log has them.
  `CREATE TABLE dispatch.outgoing (
     number bigint PRIMARY KEY,
     event_id uuid NOT NULL,
     tenant_id uuid NOT NULL,
     message_id uuid NOT NULL,
     source_id uuid NOT NULL,
     type text NOT NULL,
     status text NOT NULL,
     person_hash bytea NOT NULL,
     conversation_id uuid NOT NULL,
     caused_by uuid,
     channel text NOT NULL,
     campaign text NOT NULL,
     provider_message_id text NOT NULL,
     error_code text NOT NULL,
     signal text NOT NULL,
     note text NOT NULL,
     has_content boolean NOT NULL,
     occurred_at timestamptz NOT NULL,
     traceparent text NOT NULL
   )`,
  `CREATE TABLE dispatch.outgoing_counter (
     name text PRIMARY KEY CHECK (name IN ('numbered', 'relayed')),
     value bigint NOT NULL
   ) WITH (fillfactor = 50)`,
  `INSERT INTO dispatch.outgoing_counter (name, value) VALUES ('numbered', 0), ('relayed', 0)`,
];

/** The function of the first migration, made anew for all tables; the first two have their DEFAULT partitions. */
const PARTITION_FUNCTION = [
  'DROP FUNCTION dispatch.ensure_partitions(date, int)',
  'DROP FUNCTION dispatch.day_uuid(date)',
  ...partitionFunctionSql(SCHEMA, [...DELIVERY_TABLES, ...COMMAND_TABLES], [ROLES.worker]).filter(
    (statement) =>
      !DELIVERY_TABLES.some((table) => statement.startsWith(`CREATE TABLE ${SCHEMA}.${table}_default`)),
  ),
];

const worker = { workers: [ROLES.worker], readers: [] };

/** Commands: what tenants ask us to send, each time it was handed to a provider, and what the log is to be told. */
export const COMMANDS: Migration = {
  name: '0002_commands',
  up: [
    ...PARTITIONED,
    ...TABLES,
    ...PARTITION_FUNCTION,
    ...['dispatch.command', 'dispatch.command_attempt'].flatMap((table) => [
      ...tenantTableSql(table, { workers: [ROLES.worker], readers: [ROLES.reader] }),
      `GRANT SELECT, INSERT, UPDATE ON ${table} TO ${ROLES.worker}`,
      `GRANT SELECT ON ${table} TO ${ROLES.reader}`,
    ]),
    ...['dispatch.command_content', 'dispatch.command_key', 'dispatch.outgoing'].flatMap((table) =>
      tenantTableSql(table, worker),
    ),
    `GRANT SELECT, INSERT ON dispatch.command_content TO ${ROLES.worker}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON dispatch.command_key TO ${ROLES.worker}`,
    `GRANT SELECT, INSERT, DELETE ON dispatch.outgoing TO ${ROLES.worker}`,
    `GRANT SELECT, UPDATE ON dispatch.outgoing_counter TO ${ROLES.worker}`,
  ],
};
