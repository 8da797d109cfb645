import { type Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { READER_ROLE, SCHEMA, WORKER_ROLE } from '../roles.js';

const STOPS = [
  `ALTER TABLE ${SCHEMA}.tenant ADD COLUMN sends_paused boolean NOT NULL DEFAULT false`,
  `CREATE TABLE ${SCHEMA}.platform (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    sends_paused boolean NOT NULL DEFAULT false)`,
  `INSERT INTO ${SCHEMA}.platform DEFAULT VALUES`,
  `ALTER TABLE ${SCHEMA}.config_change DROP CONSTRAINT config_change_object_check,
    ADD CONSTRAINT config_change_object_check CHECK (object IN ('tenant', 'source', 'destination', 'platform'))`,
];

// A table of its own: whoever may read sources must not be able to read what is sealed.
const CREDENTIALS = [
  `CREATE TABLE ${SCHEMA}.source_credential (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    sealed bytea NOT NULL,
    set_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, source_id))`,
];

// A row stays after its key was revoked: the operator key file still holds it, and must not bring it back.
const OPERATOR_KEYS = [`ALTER TABLE ${SCHEMA}.operator_key ADD COLUMN revoked_at timestamptz`];

const GENESIS = `decode(repeat('00', 32), 'hex')`;
const FIELDS = ['tenant_id', 'number', 'audit_id', 'at_ms', 'actor_id', 'actor_kind', 'remote_address'];
const TEXTS = ['action', 'target', 'detail_json', 'origin'];
const prefixed = (text: string): string => `int4send(octet_length(${text})) || ${text}`;
const hashed = (field: string): string => {
  const value = field === 'at_ms' ? `(extract(epoch FROM entry.at) * 1000)::bigint` : `entry.${field}`;
  return prefixed(`convert_to(${value}::text, 'UTF8')`);
};

// By a trigger: an older version of the service that runs beside this one extends the same chain.
const CHAIN = [
  `ALTER TABLE ${SCHEMA}.audit_counter ADD COLUMN hash bytea NOT NULL DEFAULT ${GENESIS}`,
  `ALTER TABLE ${SCHEMA}.audit ADD COLUMN hash bytea, ADD COLUMN origin text NOT NULL DEFAULT ''`,
  `CREATE UNIQUE INDEX audit_origin ON ${SCHEMA}.audit (tenant_id, origin) WHERE origin <> ''`,
  `CREATE FUNCTION ${SCHEMA}.audit_hash(former bytea, entry ${SCHEMA}.audit) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(former || ${[prefixed(`convert_to('posthorn.audit.v1', 'UTF8')`), ...[...FIELDS, ...TEXTS].map(hashed)].join(' || ')}) $$`,
  `CREATE FUNCTION ${SCHEMA}.chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE former bytea;
    BEGIN
      SELECT hash INTO STRICT former FROM ${SCHEMA}.audit_counter WHERE tenant_id = NEW.tenant_id FOR UPDATE;
      NEW.hash := ${SCHEMA}.audit_hash(former, NEW);
      UPDATE ${SCHEMA}.audit_counter SET hash = NEW.hash WHERE tenant_id = NEW.tenant_id;
      RETURN NEW;
    END $$`,
  `ALTER TABLE ${SCHEMA}.audit DISABLE TRIGGER audit_append_only`,
  `DO $$
    DECLARE entry ${SCHEMA}.audit; former bytea;
    BEGIN
      FOR entry IN SELECT * FROM ${SCHEMA}.audit ORDER BY tenant_id, number LOOP
        SELECT hash INTO STRICT former FROM ${SCHEMA}.audit_counter WHERE tenant_id = entry.tenant_id;
        former := ${SCHEMA}.audit_hash(former, entry);
        UPDATE ${SCHEMA}.audit SET hash = former WHERE tenant_id = entry.tenant_id AND number = entry.number;
        UPDATE ${SCHEMA}.audit_counter SET hash = former WHERE tenant_id = entry.tenant_id;
      END LOOP;
    END $$`,
  `ALTER TABLE ${SCHEMA}.audit ENABLE TRIGGER audit_append_only`,
  `ALTER TABLE ${SCHEMA}.audit ALTER COLUMN hash SET NOT NULL`,
  `CREATE TRIGGER audit_chain BEFORE INSERT ON ${SCHEMA}.audit
    FOR EACH ROW EXECUTE FUNCTION ${SCHEMA}.chain_audit()`,
];

const CHECKPOINTS = [
  `CREATE TABLE ${SCHEMA}.audit_checkpoint (
    tenant_id uuid NOT NULL,
    number bigint NOT NULL,
    hash bytea NOT NULL,
    at timestamptz NOT NULL,
    key_id uuid NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (tenant_id, number))`,
  `CREATE TRIGGER audit_checkpoint_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${SCHEMA}.audit_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ${SCHEMA}.refuse_change()`,
  // Private keys that sign checkpoints, under the key-encryption key.
  `CREATE TABLE ${SCHEMA}.audit_key (
    key_id uuid PRIMARY KEY,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL)`,
];

const GRANTS = [
  `GRANT SELECT, UPDATE ON ${SCHEMA}.platform TO ${WORKER_ROLE}`,
  `GRANT SELECT, INSERT, UPDATE, DELETE ON ${SCHEMA}.source_credential TO ${WORKER_ROLE}`,
  `GRANT SELECT (tenant_id, source_id, set_at) ON ${SCHEMA}.source_credential TO ${READER_ROLE}`,
  `GRANT SELECT, INSERT ON ${SCHEMA}.audit_checkpoint, ${SCHEMA}.audit_key TO ${WORKER_ROLE}`,
  `GRANT SELECT ON ${SCHEMA}.audit_checkpoint, ${SCHEMA}.audit_counter TO ${READER_ROLE}`,
  // A rotation of the key-encryption key wraps every key anew.
  ...['hash_key', 'secret_key', 'data_key', 'audit_key'].map(
    (table) => `GRANT UPDATE (wrapped) ON ${SCHEMA}.${table} TO ${WORKER_ROLE}`,
  ),
];

/** What stops things at once, credentials for sends, and an audit log that proves itself. */
export const TRUST: Migration = {
  name: '0002_trust',
  up: [
    ...STOPS,
    ...CREDENTIALS,
    ...OPERATOR_KEYS,
    ...CHAIN,
    ...CHECKPOINTS,
    ...GRANTS,
    ...['source_credential', 'audit_checkpoint', 'audit_counter'].flatMap((table) =>
      tenantTableSql(`${SCHEMA}.${table}`, { workers: [WORKER_ROLE], readers: [READER_ROLE] }),
    ),
    `CREATE INDEX config_change_tenant ON ${SCHEMA}.config_change (tenant_id, version)`,
    ...tenantTableSql(`${SCHEMA}.config_change`, { workers: [WORKER_ROLE], readers: [] }),
  ],
};
