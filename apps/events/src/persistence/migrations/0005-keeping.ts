import type { Migration } from '@posthorn/postgres/migrate.js';
import { partitionFunctionSql } from '@posthorn/postgres/partitions.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { append, worker, reader, keeper } = ROLES;

/** Tables that are dropped by the day. */
const PARTITIONED = ['raw', 'content', 'event_log', 'transition', 'outbox', 'refusal'];

/** Rows of all tenants, for a role that came later than the table. */
const opened = (table: string): string =>
  `CREATE POLICY all_tenants_keeper ON events.${table} TO ${keeper} USING (true) WITH CHECK (true)`;

/** The function of migration 0002, with one more table. */
const ensurePartitions = partitionFunctionSql('events', PARTITIONED, [])
  .find((statement) => statement.startsWith('CREATE FUNCTION events.ensure_partitions'))!
  .replace('CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION');

const NONCES = [
  // `digest`: of the request's dedup keys; tells a provider's retry from somebody else's use of the nonce.
  `CREATE TABLE events.nonce (
     tenant_id uuid NOT NULL,
     source_id uuid NOT NULL,
     nonce_hash bytea NOT NULL,
     request_id uuid NOT NULL,
     digest bytea NOT NULL,
     stored_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (tenant_id, source_id, nonce_hash)
   )`,
  ...tenantTableSql('events.nonce', { workers: [append, keeper], readers: [] }),
  `GRANT SELECT, INSERT, UPDATE (nonce_hash) ON events.nonce TO ${append}`,
  `GRANT SELECT, DELETE ON events.nonce TO ${keeper}`,
];

const REFUSALS = [
  `CREATE SEQUENCE events.refusal_position`,
  `CREATE TABLE events.refusal (
     tenant_id uuid NOT NULL,
     request_id uuid NOT NULL,
     source_id uuid NOT NULL,
     position bigint NOT NULL DEFAULT nextval('events.refusal_position'),
     provider text COLLATE "C" NOT NULL,
     received_at timestamptz NOT NULL,
     state text COLLATE "C" NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'admitted')),
     cause text COLLATE "C" NOT NULL,
     judged_at timestamptz,
     headers text[] NOT NULL,
     traceparent text COLLATE "C" NOT NULL,
     size_bytes integer NOT NULL,
     data_key_id uuid NOT NULL,
     body bytea,
     PRIMARY KEY (tenant_id, request_id)
   ) PARTITION BY RANGE (request_id)`,
  `ALTER TABLE events.refusal ALTER COLUMN body SET STORAGE EXTERNAL`,
  `CREATE INDEX refusal_source ON events.refusal (tenant_id, source_id, received_at, position)`,
  `CREATE TABLE events.refusal_default PARTITION OF events.refusal DEFAULT`,
  // What a source keeps, by the day, as it is dropped. Its row is also what keepers of one source take turns at.
  `CREATE TABLE events.refusal_budget (
     tenant_id uuid NOT NULL,
     source_id uuid NOT NULL,
     day date NOT NULL,
     bytes bigint NOT NULL,
     PRIMARY KEY (tenant_id, source_id, day)
   )`,
  // A source whose refusals somebody asked to judge again. `claimed`: those at one caller, until `lease_until`.
  `CREATE TABLE events.reverification (
     tenant_id uuid NOT NULL,
     source_id uuid NOT NULL,
     asked_at timestamptz NOT NULL,
     holder text COLLATE "C" NOT NULL DEFAULT '',
     lease_until timestamptz,
     claimed uuid[] NOT NULL DEFAULT '{}',
     PRIMARY KEY (tenant_id, source_id)
   )`,
  ...['refusal', 'reverification'].flatMap((table) =>
    tenantTableSql(`events.${table}`, { workers: [keeper], readers: [reader] }),
  ),
  ...tenantTableSql('events.refusal_budget', { workers: [keeper], readers: [] }),
  `GRANT USAGE ON SEQUENCE events.refusal_position TO ${keeper}`,
  `GRANT SELECT, INSERT, UPDATE ON events.refusal TO ${keeper}`,
  `GRANT SELECT, INSERT, UPDATE, DELETE ON events.refusal_budget, events.reverification TO ${keeper}`,
  `GRANT SELECT (tenant_id, request_id, source_id, position, provider, received_at, state, cause, judged_at,
     headers, size_bytes) ON events.refusal TO ${reader}`,
  `GRANT SELECT, INSERT, UPDATE ON events.reverification TO ${reader}`,
];

const OPERATING = [
  // Events that wait for their projection beside the cursor: their source is paused, or they were quarantined.
  `CREATE TABLE events.parked (
     tenant_id uuid NOT NULL,
     event_id uuid NOT NULL,
     source_id uuid NOT NULL,
     shard smallint NOT NULL,
     xid xid8 NOT NULL,
     position bigint NOT NULL,
     PRIMARY KEY (tenant_id, event_id)
   )`,
  `CREATE INDEX parked_order ON events.parked (shard, source_id, xid, position)`,
  `CREATE TABLE events.drift (
     tenant_id uuid NOT NULL,
     provider text COLLATE "C" NOT NULL,
     kind text COLLATE "C" NOT NULL,
     reason text COLLATE "C" NOT NULL,
     count bigint NOT NULL,
     first_seen_at timestamptz NOT NULL,
     last_seen_at timestamptz NOT NULL,
     first_event_id uuid NOT NULL,
     last_event_id uuid NOT NULL,
     PRIMARY KEY (tenant_id, provider, kind, reason)
   ) WITH (fillfactor = 70)`,
  `CREATE TABLE events.source_tally (
     tenant_id uuid NOT NULL,
     source_id uuid NOT NULL,
     first_event_at timestamptz,
     last_event_at timestamptz,
     stored bigint NOT NULL,
     duplicate bigint NOT NULL,
     unrecognized bigint NOT NULL,
     unauthentic bigint NOT NULL,
     opt_outs bigint NOT NULL,
     secret_id uuid,
     secret_at timestamptz,
     PRIMARY KEY (tenant_id, source_id)
   ) WITH (fillfactor = 50)`,
  ...['parked', 'drift', 'source_tally'].flatMap((table) =>
    tenantTableSql(`events.${table}`, { workers: [worker], readers: [reader] }),
  ),
  `GRANT SELECT, INSERT, DELETE ON events.parked TO ${worker}`,
  `GRANT SELECT, INSERT ON events.parked TO ${reader}`,
  `GRANT SELECT, INSERT, UPDATE ON events.drift, events.source_tally TO ${worker}`,
  `GRANT SELECT ON events.drift, events.source_tally TO ${reader}`,
  `GRANT DELETE ON events.quarantine TO ${reader}`,
];

const LEAVING = [
  `CREATE TABLE events.retention_run (
     tenant_id uuid NOT NULL,
     run_id uuid NOT NULL,
     data_class text COLLATE "C" NOT NULL,
     before timestamptz NOT NULL,
     rows bigint NOT NULL,
     PRIMARY KEY (tenant_id, run_id)
   )`,
  // Whole days, of all tenants at once.
  `CREATE TABLE events.retention_drop (
     run_id uuid PRIMARY KEY,
     data_class text COLLATE "C" NOT NULL,
     before timestamptz NOT NULL,
     partitions text[] NOT NULL
   )`,
  // `through`: events up to here. `done_through`: those that were looked at; then, by `messages_through`, what else
  // tells of the messages of the person's conversations.
  `CREATE TABLE events.erasure (
     tenant_id uuid NOT NULL,
     erasure_id uuid NOT NULL,
     actor text NOT NULL,
     person_hashes bytea[] NOT NULL,
     requested_at timestamptz NOT NULL,
     through uuid NOT NULL,
     done_through uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
     messages_through uuid,
     raw_rows bigint NOT NULL DEFAULT 0,
     content_rows bigint NOT NULL DEFAULT 0,
     step_rows bigint NOT NULL DEFAULT 0,
     completed_at timestamptz,
     PRIMARY KEY (tenant_id, erasure_id)
   )`,
  `CREATE INDEX erasure_open ON events.erasure (requested_at) WHERE completed_at IS NULL`,
  ...['retention_run', 'erasure'].flatMap((table) =>
    tenantTableSql(`events.${table}`, { workers: [keeper], readers: [reader] }),
  ),
  `GRANT INSERT ON events.retention_run, events.retention_drop TO ${keeper}`,
  `GRANT SELECT, INSERT, UPDATE ON events.erasure TO ${keeper}`,
  `GRANT SELECT ON events.retention_run, events.retention_drop, events.erasure TO ${reader}`,
  ...[
    'dedup',
    'raw',
    'content',
    'event_log',
    'transition',
    'message',
    'handoff_step',
    'conversation',
    'quarantine',
  ].map(opened),
  `GRANT SELECT, DELETE ON events.dedup TO ${keeper}`,
  `GRANT SELECT (tenant_id, request_id), DELETE ON events.raw TO ${keeper}`,
  `GRANT SELECT (tenant_id, event_id), DELETE ON events.content TO ${keeper}`,
  `GRANT SELECT (tenant_id, event_id, request_id, person_hash) ON events.event_log TO ${keeper}`,
  `GRANT SELECT (tenant_id, event_id, conversation_id, is_appended, content), UPDATE (content)
     ON events.handoff_step TO ${keeper}`,
  `GRANT SELECT (tenant_id, event_id, message_id) ON events.transition TO ${keeper}`,
  `GRANT SELECT (tenant_id, message_id, conversation_id) ON events.message TO ${keeper}`,
  `GRANT SELECT (tenant_id, event_id), DELETE ON events.quarantine TO ${keeper}`,
  `GRANT SELECT (tenant_id, conversation_id, person_hash) ON events.conversation TO ${keeper}`,
  // Why a function: whoever drops a partition must own it, and these roles own nothing.
  `CREATE FUNCTION events.drop_partition(parent text, day date) RETURNS boolean LANGUAGE plpgsql
     SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '250ms' AS $$
     DECLARE
       part text := parent || '_p' || to_char(day, 'YYYYMMDD');
     BEGIN
       IF parent NOT IN (${PARTITIONED.map((table) => `'${table}'`).join(', ')}) THEN RAISE 'not a partitioned table'; END IF;
       IF day > current_date - (CASE parent WHEN 'refusal' THEN 4 ELSE 7 END) THEN RAISE 'too young'; END IF;
       IF to_regclass(format('events.%I', part)) IS NULL THEN RETURN false; END IF;
       EXECUTE format('DROP TABLE events.%I', part);
       RETURN true;
     END $$`,
  `REVOKE ALL ON FUNCTION events.drop_partition(text, date) FROM PUBLIC`,
  `GRANT EXECUTE ON FUNCTION events.drop_partition(text, date) TO ${keeper}`,
  `GRANT EXECUTE ON FUNCTION events.day_uuid(date) TO ${keeper}, ${worker}`,
];

/**
 * What intake keeps beside the log: nonces, refused requests, what waits, what was not understood, tallies; and how
 * all of it leaves again.
 */
export const KEEPING: Migration = {
  name: '0005_keeping',
  up: [...NONCES, ...REFUSALS, ensurePartitions, ...OPERATING, ...LEAVING],
};
