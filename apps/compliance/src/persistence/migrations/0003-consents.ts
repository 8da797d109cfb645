import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { READER_ROLE, WORKER_ROLE } from '../roles.js';

const policies = { workers: [WORKER_ROLE], readers: [READER_ROLE] };

/**
 * Consents by channel and program with their proof, persons and their links, reviews, policies.
 * `person.signals` is what of the history still counts, so that neither a permit nor a new signal reads all of it.
 */
export const CONSENTS: Migration = {
  name: '0003_consents',
  up: [
    `ALTER TABLE compliance.consent_signal
       DROP CONSTRAINT consent_signal_kind_check,
       ADD CONSTRAINT consent_signal_kind_check CHECK (kind IN ('opt_out', 'opt_in', 'lift', 'pending', 'grant',
         'help', 'complaint', 'hard_bounce', 'soft_bounce')),
       ADD COLUMN covers text COLLATE "C" NOT NULL DEFAULT 'all',
       ADD COLUMN program text COLLATE "C" NOT NULL DEFAULT 'all'`,
    `ALTER TABLE compliance.suppression
       DROP CONSTRAINT suppression_reason_check,
       ADD CONSTRAINT suppression_reason_check CHECK (reason IN ('opt_out', 'complaint', 'hard_bounce',
         'soft_bounce', 'phrase', 'manual'))`,
    `CREATE INDEX suppression_person ON compliance.suppression (tenant_id, person_hash, suppression_id DESC)`,
    `CREATE TABLE compliance.person (
       tenant_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       signals jsonb NOT NULL,
       PRIMARY KEY (tenant_id, person_hash)
     ) WITH (fillfactor = 80)`,
    `INSERT INTO compliance.person (tenant_id, person_hash, signals)
       SELECT tenant_id, person_hash, jsonb_agg(jsonb_build_array(kind, 'all', 'all',
                floor(extract(epoch FROM signaled_at) * 1000), signal_id))
       FROM (SELECT DISTINCT ON (tenant_id, person_hash, kind) * FROM compliance.consent_signal
             ORDER BY tenant_id, person_hash, kind, signaled_at DESC, signal_id DESC) AS last
       GROUP BY tenant_id, person_hash`,
    // The evidence, apart from the history: an erasure deletes it.
    `CREATE TABLE compliance.consent_proof (
       tenant_id uuid NOT NULL,
       signal_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       proof jsonb NOT NULL,
       PRIMARY KEY (tenant_id, signal_id)
     )`,
    `CREATE INDEX consent_proof_person ON compliance.consent_proof (tenant_id, person_hash)`,
    `CREATE INDEX consent_signal_list ON compliance.consent_signal (tenant_id, recorded_at DESC, signal_id DESC)`,
    // Addresses that reach one person have one group. The lock stands here because the database takes it.
    `CREATE TABLE compliance.person_link (
       tenant_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       group_id uuid NOT NULL,
       lock bigint NOT NULL,
       actor_id text COLLATE "C" NOT NULL,
       linked_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, person_hash)
     )`,
    `CREATE INDEX person_link_group ON compliance.person_link (tenant_id, group_id)`,
    `CREATE TABLE compliance.review (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       channel text COLLATE "C" NOT NULL,
       confidence text COLLATE "C" NOT NULL CHECK (confidence IN ('high', 'low')),
       state text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'confirmed', 'lifted')),
       created_at timestamptz NOT NULL,
       decided_at timestamptz,
       decided_by text COLLATE "C",
       note text NOT NULL DEFAULT '',
       PRIMARY KEY (tenant_id, event_id)
     )`,
    `CREATE INDEX review_list ON compliance.review (tenant_id, state, event_id DESC)`,
    `CREATE TABLE compliance.policy (
       tenant_id uuid NOT NULL,
       version int NOT NULL CHECK (version > 0),
       body jsonb NOT NULL,
       actor_id text COLLATE "C" NOT NULL,
       created_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, version)
     )`,
    // How far the texts have been read: a place of its own, since texts may be away while signals are not.
    `CREATE TABLE compliance.text_position (
       shard smallint PRIMARY KEY REFERENCES compliance.shard,
       fact_epoch text COLLATE "C" NOT NULL DEFAULT '',
       fact_sequence bigint NOT NULL DEFAULT 0
     ) WITH (fillfactor = 50)`,
    // Texts that came before there was anybody to read them are not read.
    `INSERT INTO compliance.text_position SELECT shard, fact_epoch, fact_sequence FROM compliance.shard`,
    ...['person', 'consent_proof', 'person_link', 'review', 'policy'].flatMap((table) =>
      tenantTableSql(`compliance.${table}`, policies),
    ),
    `GRANT SELECT, UPDATE ON compliance.text_position TO ${WORKER_ROLE}`,
    `GRANT SELECT, INSERT, UPDATE ON compliance.person, compliance.person_link, compliance.review TO ${WORKER_ROLE}`,
    `GRANT SELECT, INSERT ON compliance.policy TO ${WORKER_ROLE}`,
    `GRANT SELECT, INSERT, DELETE ON compliance.consent_proof TO ${WORKER_ROLE}`,
    // Erasures empty notes; nothing else of the history can be changed.
    `GRANT UPDATE (note) ON compliance.consent_signal TO ${WORKER_ROLE}`,
    `GRANT SELECT ON compliance.person, compliance.consent_proof, compliance.person_link, compliance.review,
       compliance.policy TO ${READER_ROLE}`,
  ],
};
