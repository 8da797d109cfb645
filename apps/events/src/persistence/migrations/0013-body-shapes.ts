import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { worker, reader, keeper } = ROLES;

/** Of what fields each kind's bodies are, and how that changed. */
export const BODY_SHAPES: Migration = {
  name: '0013_body_shapes',
  up: [
    `CREATE TABLE events.drift_kind (
       tenant_id uuid NOT NULL,
       provider text COLLATE "C" NOT NULL,
       kind text COLLATE "C" NOT NULL,
       samples bigint NOT NULL DEFAULT 0,
       fields jsonb NOT NULL DEFAULT '{}',
       reports text[] NOT NULL DEFAULT '{}',
       PRIMARY KEY (tenant_id, provider, kind)
     ) WITH (fillfactor = 70)`,
    `CREATE TABLE events.drift_field (
       tenant_id uuid NOT NULL,
       provider text COLLATE "C" NOT NULL,
       kind text COLLATE "C" NOT NULL,
       path text COLLATE "C" NOT NULL,
       change text COLLATE "C" NOT NULL CHECK (change IN ('new', 'missing', 'changed')),
       type text COLLATE "C" NOT NULL,
       count bigint NOT NULL,
       first_seen_at timestamptz NOT NULL,
       last_seen_at timestamptz NOT NULL,
       first_event_id uuid NOT NULL,
       PRIMARY KEY (tenant_id, provider, kind, path, change, type)
     ) WITH (fillfactor = 70)`,
    ...['drift_kind', 'drift_field'].flatMap((table) => [
      ...tenantTableSql(`events.${table}`, { workers: [worker, keeper], readers: [reader] }),
      `GRANT SELECT, INSERT, UPDATE ON events.${table} TO ${worker}`,
      `GRANT SELECT (tenant_id, provider), DELETE ON events.${table} TO ${keeper}`,
    ]),
    `GRANT SELECT ON events.drift_field TO ${reader}`,
  ],
};
