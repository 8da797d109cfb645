import { type Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { READER_ROLE, SCHEMA, WORKER_ROLE } from '../roles.js';

const TENANT_TABLES = [
  ...['tenant', 'hash_key', 'secret_key', 'data_key', 'api_key', 'source', 'destination', 'secret', 'audit'],
];

const KEYS = ['hash_key', 'secret_key'].map(
  (table) => `CREATE TABLE ${SCHEMA}.${table} (
    tenant_id uuid PRIMARY KEY,
    key_id uuid NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL)`,
);

const TABLES = [
  `CREATE TABLE ${SCHEMA}.tenant (
    tenant_id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    country text NOT NULL,
    time_zone text NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
    shards smallint[] NOT NULL CHECK (cardinality(shards) BETWEEN 1 AND 64 AND 0 <= ALL (shards) AND 63 >= ALL (shards)),
    created_at timestamptz NOT NULL,
    deleted_at timestamptz)`,
  ...KEYS,
  `CREATE TABLE ${SCHEMA}.data_key (
    tenant_id uuid NOT NULL,
    week_start_day integer NOT NULL CHECK ((week_start_day + 3) % 7 = 0),
    key_id uuid NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, week_start_day),
    UNIQUE (tenant_id, key_id))`,
  `CREATE TABLE ${SCHEMA}.api_key (
    tenant_id uuid NOT NULL,
    api_key_id uuid NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, api_key_id))`,
  `CREATE TABLE ${SCHEMA}.operator_key (
    operator_key_id uuid PRIMARY KEY,
    name text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    origin text NOT NULL CHECK (origin IN ('file', 'api')),
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz)`,
  `CREATE TABLE ${SCHEMA}.source (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    name text NOT NULL,
    provider text NOT NULL,
    settings_json text NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'disabled')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, source_id))`,
  // Headers may hold credentials of the tenant's own systems: sealed like secrets.
  `CREATE TABLE ${SCHEMA}.destination (
    tenant_id uuid NOT NULL,
    destination_id uuid NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    event_types text[] NOT NULL,
    ordering text NOT NULL CHECK (ordering IN ('none', 'key')),
    max_attempts integer NOT NULL CHECK (max_attempts > 0),
    max_age_seconds integer NOT NULL CHECK (max_age_seconds > 0),
    max_in_flight integer NOT NULL CHECK (max_in_flight > 0),
    rate_per_second integer NOT NULL CHECK (rate_per_second >= 0),
    headers_sealed bytea NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, destination_id))`,
  // last_matched_at has no writer yet: events carry the ID of the secret that matched.
  `CREATE TABLE ${SCHEMA}.secret (
    tenant_id uuid NOT NULL,
    secret_id uuid NOT NULL,
    owner text NOT NULL CHECK (owner IN ('source', 'destination')),
    owner_id uuid NOT NULL,
    sealed bytea,
    status text NOT NULL CHECK (status IN ('current', 'previous', 'revoked')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_matched_at timestamptz,
    PRIMARY KEY (tenant_id, secret_id),
    CHECK ((status = 'revoked') = (sealed IS NULL)))`,
  `CREATE INDEX secret_owner ON ${SCHEMA}.secret (tenant_id, owner_id)`,
  `CREATE UNIQUE INDEX secret_current ON ${SCHEMA}.secret (tenant_id, owner_id) WHERE status = 'current'`,
  `CREATE INDEX secret_expiry ON ${SCHEMA}.secret (expires_at) WHERE expires_at IS NOT NULL`,
];

const CONFIG_TABLES = [
  // One row: its lock makes versions dense and commit in their own order.
  `CREATE TABLE ${SCHEMA}.config_version (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL)`,
  `INSERT INTO ${SCHEMA}.config_version (version) VALUES (1)`,
  `CREATE TABLE ${SCHEMA}.config_change (
    version bigint NOT NULL,
    object text NOT NULL CHECK (object IN ('tenant', 'source', 'destination')),
    object_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version, object, object_id))`,
  `CREATE TABLE ${SCHEMA}.watcher (
    instance_id text PRIMARY KEY,
    service text NOT NULL,
    kinds text[] NOT NULL,
    confirmed_version bigint NOT NULL,
    seen_at timestamptz NOT NULL)`,
  `CREATE TABLE ${SCHEMA}.idempotency (
    principal_id text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint,
    body_json text,
    begun_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (principal_id, idempotency_key))`,
  `CREATE INDEX idempotency_created ON ${SCHEMA}.idempotency (created_at)`,
];

const AUDIT = [
  `CREATE TABLE ${SCHEMA}.audit_counter (tenant_id uuid PRIMARY KEY, number bigint NOT NULL)`,
  `CREATE TABLE ${SCHEMA}.audit (
    tenant_id uuid NOT NULL,
    number bigint NOT NULL,
    audit_id uuid NOT NULL,
    at timestamptz NOT NULL,
    actor_id text NOT NULL,
    actor_kind text NOT NULL,
    remote_address text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail_json text NOT NULL,
    PRIMARY KEY (tenant_id, number))`,
  `CREATE INDEX audit_id ON ${SCHEMA}.audit (tenant_id, audit_id)`,
  `CREATE FUNCTION ${SCHEMA}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege'; END $$`,
  `CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${SCHEMA}.audit
    FOR EACH STATEMENT EXECUTE FUNCTION ${SCHEMA}.refuse_change()`,
];

const GRANTS = [
  `GRANT USAGE ON SCHEMA ${SCHEMA} TO ${WORKER_ROLE}, ${READER_ROLE}`,
  `GRANT SELECT, INSERT, UPDATE ON ${SCHEMA}.tenant, ${SCHEMA}.audit_counter TO ${WORKER_ROLE}`,
  `GRANT SELECT, INSERT, DELETE ON ${SCHEMA}.hash_key, ${SCHEMA}.secret_key, ${SCHEMA}.data_key,
    ${SCHEMA}.config_change TO ${WORKER_ROLE}`,
  `GRANT SELECT, INSERT, UPDATE, DELETE ON ${SCHEMA}.api_key, ${SCHEMA}.operator_key, ${SCHEMA}.source,
    ${SCHEMA}.destination, ${SCHEMA}.secret, ${SCHEMA}.watcher, ${SCHEMA}.idempotency TO ${WORKER_ROLE}`,
  `GRANT SELECT, UPDATE ON ${SCHEMA}.config_version TO ${WORKER_ROLE}`,
  `GRANT SELECT, INSERT ON ${SCHEMA}.audit TO ${WORKER_ROLE}`,
  // The reader sees no token hash, no sealed secret, and of keys only the wrapped one that headers need.
  `GRANT SELECT ON ${SCHEMA}.tenant, ${SCHEMA}.source, ${SCHEMA}.destination, ${SCHEMA}.audit,
    ${SCHEMA}.secret_key TO ${READER_ROLE}`,
  `GRANT SELECT (tenant_id, api_key_id, name, scopes, expires_at, created_at, last_used_at)
    ON ${SCHEMA}.api_key TO ${READER_ROLE}`,
  `GRANT SELECT (tenant_id, secret_id, owner, owner_id, status, created_at, expires_at, last_matched_at)
    ON ${SCHEMA}.secret TO ${READER_ROLE}`,
];

/** Everything the service keeps. */
export const FIRST: Migration = {
  name: '0001_first',
  up: [
    ...TABLES,
    ...CONFIG_TABLES,
    ...AUDIT,
    ...GRANTS,
    ...TENANT_TABLES.flatMap((table) =>
      tenantTableSql(`${SCHEMA}.${table}`, { workers: [WORKER_ROLE], readers: [READER_ROLE] }),
    ),
  ],
};
