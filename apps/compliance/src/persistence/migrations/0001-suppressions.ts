import type { Migration } from '@posthorn/postgres/migrate.js';
import { SHARD_TABLE_SQL, shardGrantsSql } from '@posthorn/postgres/shard-leases.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { READER_ROLE, SCHEMA, WORKER_ROLE } from '../roles.js';

const policies = { workers: [WORKER_ROLE], readers: [READER_ROLE] };

/**
 * Shards with the position in the facts, the history of consent, the suppressions that follow from it, and what
 * is to be told to the log. No address is in any of it, only keyed hashes.
 */
export const SUPPRESSIONS: Migration = {
  name: '0001_suppressions',
  up: [
    ...SHARD_TABLE_SQL(
      SCHEMA,
      `fact_epoch text COLLATE "C" NOT NULL DEFAULT '', fact_sequence bigint NOT NULL DEFAULT 0`,
    ),
    // Append-only: the roles may not change or delete a row.
    `CREATE TABLE compliance.consent_signal (
       tenant_id uuid NOT NULL,
       signal_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       kind text COLLATE "C" NOT NULL CHECK (kind IN ('opt_out', 'opt_in', 'lift')),
       signaled_at timestamptz NOT NULL,
       channel text COLLATE "C" NOT NULL,
       provider text COLLATE "C" NOT NULL,
       event_id uuid,
       actor_id text COLLATE "C" NOT NULL,
       note text NOT NULL DEFAULT '',
       recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
       PRIMARY KEY (tenant_id, signal_id)
     )`,
    `CREATE INDEX consent_signal_person ON compliance.consent_signal
       (tenant_id, person_hash, kind, signaled_at DESC, signal_id DESC)`,
    `CREATE TABLE compliance.suppression (
       tenant_id uuid NOT NULL,
       suppression_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       channel text COLLATE "C" NOT NULL CHECK (channel IN ('sms', 'email', 'chat', 'push', 'all')),
       scope text COLLATE "C" NOT NULL,
       reason text COLLATE "C" NOT NULL CHECK (reason IN ('opt_out', 'complaint', 'hard_bounce', 'manual')),
       event_id uuid,
       actor_id text COLLATE "C" NOT NULL,
       created_at timestamptz NOT NULL,
       lifted_at timestamptz,
       lifted_by_event_id uuid,
       lifted_by_actor_id text COLLATE "C",
       lifted_reason text,
       PRIMARY KEY (tenant_id, suppression_id)
     )`,
    // One in force for each cause; it also finds them.
    `CREATE UNIQUE INDEX suppression_in_force ON compliance.suppression
       (tenant_id, person_hash, channel, scope, reason) WHERE lifted_at IS NULL`,
    `CREATE INDEX suppression_list ON compliance.suppression (tenant_id, suppression_id DESC)
       WHERE lifted_at IS NULL`,
    // Numbered without gaps: the counter's row is locked until the commit.
    `CREATE TABLE compliance.outgoing (
       number bigint PRIMARY KEY,
       event_id uuid NOT NULL,
       tenant_id uuid NOT NULL,
       type text COLLATE "C" NOT NULL,
       person_hash bytea NOT NULL,
       channel text COLLATE "C" NOT NULL,
       cause_id uuid NOT NULL,
       is_caused_by_event boolean NOT NULL,
       occurred_at timestamptz NOT NULL,
       traceparent text COLLATE "C" NOT NULL,
       created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
       UNIQUE (tenant_id, cause_id, type)
     )`,
    `CREATE TABLE compliance.outgoing_counter (
       name text COLLATE "C" PRIMARY KEY CHECK (name IN ('numbered', 'relayed')),
       value bigint NOT NULL
     ) WITH (fillfactor = 50)`,
    `INSERT INTO compliance.outgoing_counter (name, value) VALUES ('numbered', 0), ('relayed', 0)`,
    ...tenantTableSql('compliance.consent_signal', policies),
    ...tenantTableSql('compliance.suppression', policies),
    ...tenantTableSql('compliance.outgoing', { workers: [WORKER_ROLE], readers: [] }),
    ...shardGrantsSql(SCHEMA, WORKER_ROLE),
    `GRANT SELECT, INSERT ON compliance.consent_signal, compliance.outgoing TO ${WORKER_ROLE}`,
    `GRANT SELECT, INSERT, UPDATE ON compliance.suppression TO ${WORKER_ROLE}`,
    `GRANT SELECT, UPDATE ON compliance.outgoing_counter TO ${WORKER_ROLE}`,
    `GRANT SELECT ON compliance.consent_signal, compliance.suppression TO ${READER_ROLE}`,
  ],
};
