import { type Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { SCHEMA, WORKER_ROLE } from '../roles.js';

/** Where tenants are told of what goes wrong, and what they are told: one row for each channel before anything is sent. */
export const NOTIFICATIONS: Migration = {
  name: '0012_notifications',
  up: [
    `CREATE TABLE ${SCHEMA}.notification_channel (
      tenant_id uuid NOT NULL,
      kind text COLLATE "C" NOT NULL CHECK (kind IN ('email', 'webhook')),
      channel_id uuid NOT NULL,
      address text NOT NULL,
      secret_sealed bytea,
      created_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, kind))`,
    `CREATE TABLE ${SCHEMA}.notification (
      tenant_id uuid NOT NULL,
      notification_id uuid NOT NULL,
      kind text COLLATE "C" NOT NULL,
      channel text COLLATE "C" NOT NULL,
      subject_id uuid NOT NULL,
      episode text COLLATE "C" NOT NULL,
      data_json text NOT NULL,
      state text COLLATE "C" NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dropped')),
      attempt_count integer NOT NULL DEFAULT 0,
      next_attempt_at timestamptz NOT NULL,
      detail text NOT NULL DEFAULT '',
      created_at timestamptz NOT NULL,
      finished_at timestamptz,
      PRIMARY KEY (tenant_id, notification_id),
      UNIQUE (tenant_id, kind, subject_id, episode, channel))`,
    `CREATE INDEX notification_due ON ${SCHEMA}.notification (next_attempt_at) WHERE state = 'pending'`,
    ...['notification_channel', 'notification'].flatMap((table) => [
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ${SCHEMA}.${table} TO ${WORKER_ROLE}`,
      ...tenantTableSql(`${SCHEMA}.${table}`, { workers: [WORKER_ROLE], readers: [] }),
    ]),
  ],
};
