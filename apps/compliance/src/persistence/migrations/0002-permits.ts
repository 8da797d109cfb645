import type { Migration } from '@posthorn/postgres/migrate.js';
import { partitionFunctionSql } from '@posthorn/postgres/partitions.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { INTAKE_ROLE, READER_ROLE, SCHEMA, WORKER_ROLE } from '../roles.js';

const policies = { workers: [WORKER_ROLE], readers: [READER_ROLE] };
const PARTITIONED = ['decision', 'permit'];

/**
 * Opt-outs of intake that are not applied yet, decisions and permits.
 * The role of intake belongs to events: whoever migrates first makes it; without a password nobody can use it.
 * Permits have a table of their own: decisions are for ever the same, a permit is closed.
 */
export const PERMITS: Migration = {
  name: '0002_permits',
  up: [
    `DO $$ BEGIN
       CREATE ROLE ${INTAKE_ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
     EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
     END $$`,
    `CREATE TABLE compliance.pending_signal (
       tenant_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       event_id uuid NOT NULL,
       channel text COLLATE "C" NOT NULL,
       signal text COLLATE "C" NOT NULL DEFAULT 'opt_out',
       occurred_at timestamptz,
       stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
       PRIMARY KEY (tenant_id, person_hash, event_id)
     )`,
    `CREATE INDEX pending_signal_age ON compliance.pending_signal (stored_at)`,
    `CREATE TABLE compliance.decision (
       tenant_id uuid NOT NULL,
       decision_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       message_id uuid NOT NULL,
       source_id uuid,
       channel text COLLATE "C" NOT NULL,
       category text COLLATE "C" NOT NULL,
       program text COLLATE "C" NOT NULL,
       kind text COLLATE "C" NOT NULL CHECK (kind IN ('allow', 'deny', 'defer')),
       rule text COLLATE "C" NOT NULL,
       detail text NOT NULL,
       until_at timestamptz,
       is_replay boolean NOT NULL,
       policy_version int NOT NULL,
       facts jsonb NOT NULL,
       decided_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, decision_id)
     ) PARTITION BY RANGE (decision_id)`,
    `CREATE INDEX decision_person ON compliance.decision (tenant_id, person_hash, decision_id DESC)`,
    `CREATE INDEX decision_message ON compliance.decision (tenant_id, message_id)`,
    `CREATE TABLE compliance.permit (
       tenant_id uuid NOT NULL,
       permit_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       is_marketing boolean NOT NULL,
       given_at timestamptz NOT NULL,
       expires_at timestamptz NOT NULL,
       closed_at timestamptz,
       outcome text COLLATE "C" CHECK (outcome IN ('sent', 'not_sent', 'unknown')),
       PRIMARY KEY (tenant_id, permit_id)
     ) PARTITION BY RANGE (permit_id)`,
    `CREATE INDEX permit_person ON compliance.permit (tenant_id, person_hash, permit_id DESC)`,
    // The one message that may answer an opt-out or a HELP.
    `CREATE TABLE compliance.answer (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       message_id uuid NOT NULL,
       PRIMARY KEY (tenant_id, event_id)
     )`,
    ...partitionFunctionSql(SCHEMA, PARTITIONED, [WORKER_ROLE]),
    // Why a function: whoever drops a partition must own it, and the workers own nothing.
    `CREATE FUNCTION compliance.drop_partitions(parent text, before_day date) RETURNS int LANGUAGE plpgsql
       SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
       DECLARE
         part text;
         dropped int := 0;
       BEGIN
         IF parent NOT IN (${PARTITIONED.map((table) => `'${table}'`).join(', ')}) THEN RAISE 'not a partitioned table'; END IF;
         IF before_day > current_date - 7 THEN RAISE 'the last week is kept'; END IF;
         FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                     WHERE i.inhparent = format('compliance.%I', parent)::regclass
                       AND c.relname ~ ('^' || parent || '_p[0-9]{8}$')
                       AND to_date(right(c.relname, 8), 'YYYYMMDD') < before_day LOOP
           EXECUTE format('DROP TABLE compliance.%I', part);
           dropped := dropped + 1;
         END LOOP;
         RETURN dropped;
       END $$`,
    `REVOKE ALL ON FUNCTION compliance.drop_partitions(text, date) FROM PUBLIC`,
    `GRANT EXECUTE ON FUNCTION compliance.drop_partitions(text, date) TO ${WORKER_ROLE}`,
    ...tenantTableSql('compliance.pending_signal', { workers: [WORKER_ROLE, INTAKE_ROLE], readers: [] }),
    ...tenantTableSql('compliance.decision', policies),
    ...tenantTableSql('compliance.permit', policies),
    ...tenantTableSql('compliance.answer', { workers: [WORKER_ROLE], readers: [] }),
    `GRANT USAGE ON SCHEMA compliance TO ${INTAKE_ROLE}`,
    `GRANT INSERT ON compliance.pending_signal TO ${INTAKE_ROLE}`,
    `GRANT SELECT, DELETE ON compliance.pending_signal TO ${WORKER_ROLE}`,
    `GRANT SELECT, INSERT ON compliance.decision TO ${WORKER_ROLE}`,
    `GRANT SELECT, INSERT, UPDATE ON compliance.permit, compliance.answer TO ${WORKER_ROLE}`,
    `GRANT SELECT ON compliance.decision, compliance.permit TO ${READER_ROLE}`,
  ],
};
