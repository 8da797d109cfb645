import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { worker, reader } = ROLES;

/**
 * Rules, what they fired, and tags.
 * `rule.changed_xid` tells who keeps rules in memory what changed: by the order of commits, not of clocks.
 * `rule_effect` is committed with the projection of its event; its key makes a rule fire once for what the rule
 * says, for ever, so rows stay. `subject_id` is what a rule's rate is limited by.
 */
export const RULES: Migration = {
  name: '0007_rules',
  up: [
    `CREATE TABLE events.rule (
       tenant_id uuid NOT NULL,
       rule_id uuid NOT NULL,
       name text NOT NULL,
       version integer NOT NULL,
       is_enabled boolean NOT NULL,
       is_deleted boolean NOT NULL DEFAULT false,
       cost integer NOT NULL,
       effective_at timestamptz NOT NULL,
       created_at timestamptz NOT NULL,
       changed_xid xid8 NOT NULL,
       fired_count bigint NOT NULL DEFAULT 0,
       last_fired_at timestamptz,
       error_count bigint NOT NULL DEFAULT 0,
       last_error text NOT NULL DEFAULT '',
       last_error_at timestamptz,
       PRIMARY KEY (tenant_id, rule_id)
     ) WITH (fillfactor = 80)`,
    `CREATE INDEX rule_changed ON events.rule (changed_xid)`,
    `CREATE TABLE events.rule_version (
       tenant_id uuid NOT NULL,
       rule_id uuid NOT NULL,
       version integer NOT NULL,
       name text NOT NULL,
       is_enabled boolean NOT NULL,
       definition jsonb NOT NULL,
       changed_at timestamptz NOT NULL,
       changed_by text NOT NULL,
       PRIMARY KEY (tenant_id, rule_id, version)
     )`,
    `CREATE TABLE events.rule_effect (
       tenant_id uuid NOT NULL,
       effect_id uuid NOT NULL,
       rule_id uuid NOT NULL,
       rule_version integer NOT NULL,
       trigger_key bytea NOT NULL,
       trigger_event_id uuid NOT NULL,
       subject_id uuid NOT NULL,
       conversation_id uuid,
       message_id uuid,
       person_hash bytea,
       action text COLLATE "C" NOT NULL,
       arguments text NOT NULL,
       traceparent text COLLATE "C" NOT NULL,
       state text COLLATE "C" NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
       attempt_count integer NOT NULL DEFAULT 0,
       next_attempt_at timestamptz NOT NULL,
       result text NOT NULL DEFAULT '',
       error_code text COLLATE "C" NOT NULL DEFAULT '',
       detail text NOT NULL DEFAULT '',
       fired_at timestamptz NOT NULL,
       finished_at timestamptz,
       PRIMARY KEY (tenant_id, effect_id),
       UNIQUE (tenant_id, trigger_key, rule_id)
     )`,
    `CREATE INDEX rule_effect_due ON events.rule_effect (next_attempt_at) WHERE state = 'pending'`,
    `CREATE INDEX rule_effect_subject ON events.rule_effect (tenant_id, rule_id, subject_id, fired_at)`,
    `CREATE INDEX rule_effect_event ON events.rule_effect (tenant_id, trigger_event_id)`,
    `CREATE TABLE events.tag (
       tenant_id uuid NOT NULL,
       target text COLLATE "C" NOT NULL CHECK (target IN ('conversation', 'message')),
       target_id uuid NOT NULL,
       tag text NOT NULL,
       effect_id uuid NOT NULL,
       tagged_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, target, target_id, tag)
     )`,
    ...['rule', 'rule_version', 'rule_effect', 'tag'].flatMap((table) =>
      tenantTableSql(`events.${table}`, { workers: [worker], readers: [reader] }),
    ),
    `GRANT SELECT ON events.rule, events.rule_version TO ${worker}`,
    `GRANT UPDATE (fired_count, last_fired_at, error_count, last_error, last_error_at) ON events.rule TO ${worker}`,
    `GRANT SELECT, INSERT, UPDATE ON events.rule_effect, events.tag TO ${worker}`,
    // People's changes run as the reader: row-level security holds for them as for every other request of a tenant.
    `GRANT SELECT, INSERT, UPDATE ON events.rule TO ${reader}`,
    `GRANT SELECT, INSERT ON events.rule_version TO ${reader}`,
    `GRANT SELECT ON events.rule_effect, events.tag TO ${reader}`,
  ],
};
