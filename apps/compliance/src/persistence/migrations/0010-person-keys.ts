import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { READER_ROLE, WORKER_ROLE } from '../roles.js';

const policies = { workers: [WORKER_ROLE], readers: [READER_ROLE] };

/** Under which key the hashes of persons are kept, and who has moved to it while they move. */
export const PERSON_KEYS: Migration = {
  name: '0010_person_keys',
  up: [
    `CREATE TABLE compliance.person_key (
       tenant_id uuid PRIMARY KEY,
       generation integer NOT NULL CHECK (generation > 0),
       former integer CHECK (former < generation),
       step smallint NOT NULL DEFAULT 0,
       after_hash bytea NOT NULL DEFAULT '\\x',
       moved bigint NOT NULL DEFAULT 0,
       started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
       completed_at timestamptz,
       destroyed_at timestamptz
     )`,
    `CREATE TABLE compliance.moved_person (
       tenant_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       PRIMARY KEY (tenant_id, person_hash)
     )`,
    ...['person_key', 'moved_person'].flatMap((table) => tenantTableSql(`compliance.${table}`, policies)),
    `GRANT SELECT, INSERT, UPDATE, DELETE ON compliance.person_key TO ${WORKER_ROLE}`,
    `GRANT SELECT, INSERT, DELETE ON compliance.moved_person TO ${WORKER_ROLE}`,
    `GRANT SELECT ON compliance.person_key, compliance.moved_person TO ${READER_ROLE}`,
    // Of the history nothing else can be changed.
    `GRANT UPDATE (person_hash) ON compliance.consent_signal, compliance.consent_proof, compliance.decision,
       compliance.outgoing, compliance.mail_delivery TO ${WORKER_ROLE}`,
  ],
};

/** Finds the reviews of a person. */
export const REVIEW_PERSONS: Migration = {
  name: '0011_review_persons',
  up: [`CREATE INDEX CONCURRENTLY IF NOT EXISTS review_person ON compliance.review (tenant_id, person_hash)`],
};
