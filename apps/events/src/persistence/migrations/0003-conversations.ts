import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const { worker, reader } = ROLES;

/**
 * Conversations, hand-offs, consent as it was last said, and which messages are watched.
 * `message`: a command has our ID before it has the provider's; a row that a callback made before is merged.
 * `conversation` changes no indexed column after its first row, so updates stay on their page.
 * `handoff` decides who owns a conversation, at once and under its row lock; the state in `conversation` follows
 * from the log. `handoff_step` is what was decided, until it is in the log; its content is encrypted and goes then.
 * `fencing_token` grows over all claims: an older claim's token never equals a later one's.
 */
export const CONVERSATIONS: Migration = {
  name: '0003_conversations',
  up: [
    `ALTER TABLE events.message
       ALTER COLUMN provider_message_id DROP NOT NULL,
       ADD COLUMN is_command boolean NOT NULL DEFAULT false,
       ADD COLUMN reply_to_message_id uuid,
       ADD COLUMN merged_into uuid`,
    `ALTER TABLE events.transition
       ADD COLUMN conversation_from text COLLATE "C",
       ADD COLUMN conversation_to text COLLATE "C"`,
    `CREATE TABLE events.conversation (
       tenant_id uuid NOT NULL,
       conversation_id uuid NOT NULL,
       channel text COLLATE "C" NOT NULL,
       person_hash bytea,
       campaign text COLLATE "C" NOT NULL,
       state text COLLATE "C" NOT NULL,
       state_changed_at timestamptz NOT NULL,
       evidence bytea,
       inbound_count integer NOT NULL,
       outbound_count integer NOT NULL,
       last_message_at timestamptz,
       last_inbound_at timestamptz,
       last_outbound_id uuid,
       last_outbound_at timestamptz,
       last_outbound_campaign text COLLATE "C" NOT NULL,
       created_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, conversation_id)
     ) WITH (fillfactor = 70)`,
    `CREATE INDEX conversation_created ON events.conversation (tenant_id, created_at, conversation_id)`,
    `CREATE INDEX conversation_person ON events.conversation (tenant_id, person_hash)`,
    `CREATE TABLE events.person_consent (
       tenant_id uuid NOT NULL,
       person_hash bytea NOT NULL,
       opted_out_at timestamptz,
       opted_in_at timestamptz,
       PRIMARY KEY (tenant_id, person_hash)
     )`,
    `CREATE SEQUENCE events.handoff_fencing`,
    `CREATE TABLE events.handoff (
       tenant_id uuid NOT NULL,
       handoff_id uuid NOT NULL,
       conversation_id uuid NOT NULL,
       key text NOT NULL,
       state text COLLATE "C" NOT NULL CHECK (state IN ('escalated', 'claimed', 'closed', 'returned')),
       reason text NOT NULL,
       requested_by text NOT NULL,
       requested_at timestamptz NOT NULL,
       queue text COLLATE "C" NOT NULL,
       priority smallint NOT NULL,
       claimed_by text NOT NULL DEFAULT '',
       claimed_at timestamptz,
       offer_until timestamptz,
       fencing_token bigint NOT NULL DEFAULT 0,
       attempts integer NOT NULL DEFAULT 0,
       last_step_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, handoff_id)
     )`,
    `CREATE UNIQUE INDEX handoff_open ON events.handoff (tenant_id, conversation_id)
       WHERE state IN ('escalated', 'claimed')`,
    `CREATE UNIQUE INDEX handoff_key ON events.handoff (tenant_id, conversation_id, key) WHERE key <> ''`,
    `CREATE INDEX handoff_conversation ON events.handoff (tenant_id, conversation_id, requested_at)`,
    `CREATE INDEX handoff_queue ON events.handoff (tenant_id, requested_at, handoff_id) WHERE state = 'escalated'`,
    `CREATE INDEX handoff_offer ON events.handoff (offer_until)
       WHERE state = 'claimed' AND offer_until IS NOT NULL`,
    `CREATE TABLE events.handoff_step (
       tenant_id uuid NOT NULL,
       event_id uuid NOT NULL,
       handoff_id uuid,
       conversation_id uuid NOT NULL,
       type text COLLATE "C" NOT NULL,
       target text COLLATE "C" NOT NULL,
       actor text NOT NULL,
       note text NOT NULL,
       channel text COLLATE "C" NOT NULL,
       person_hash bytea,
       occurred_at timestamptz NOT NULL,
       traceparent text COLLATE "C" NOT NULL,
       data_key_id uuid,
       content bytea,
       is_appended boolean NOT NULL DEFAULT false,
       PRIMARY KEY (tenant_id, event_id)
     )`,
    `CREATE INDEX handoff_step_handoff ON events.handoff_step (tenant_id, handoff_id, event_id)`,
    `CREATE INDEX handoff_step_conversation ON events.handoff_step (tenant_id, conversation_id, event_id)`,
    `CREATE INDEX handoff_step_waiting ON events.handoff_step (occurred_at) WHERE NOT is_appended`,
    `CREATE TABLE events.message_watch (
       tenant_id uuid NOT NULL,
       message_id uuid NOT NULL,
       due_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, message_id)
     )`,
    `CREATE INDEX message_watch_due ON events.message_watch (due_at)`,
    `CREATE TABLE events.watch_cursor (tenant_id uuid PRIMARY KEY, through uuid NOT NULL)`,
    ...['conversation', 'person_consent', 'handoff', 'handoff_step'].flatMap((table) =>
      tenantTableSql(`events.${table}`, { workers: [worker], readers: [reader] }),
    ),
    ...['message_watch', 'watch_cursor'].flatMap((table) =>
      tenantTableSql(`events.${table}`, { workers: [worker], readers: [] }),
    ),
    `GRANT UPDATE (message_id) ON events.transition TO ${worker}`,
    `GRANT SELECT (tenant_id, event_id, message_id) ON events.transition TO ${worker}`,
    `GRANT SELECT, INSERT, UPDATE ON events.conversation, events.person_consent, events.watch_cursor TO ${worker}`,
    `GRANT SELECT, INSERT, UPDATE ON events.handoff, events.handoff_step TO ${worker}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON events.message_watch TO ${worker}`,
    `GRANT SELECT ON events.conversation, events.person_consent TO ${reader}`,
    // People's acts run as the reader: row-level security holds for them as for every other request of a tenant.
    `GRANT SELECT, INSERT, UPDATE ON events.handoff, events.handoff_step TO ${reader}`,
    `GRANT USAGE ON SEQUENCE events.handoff_fencing TO ${reader}`,
  ],
};

/** A conversation's messages; apart, because it must not lock a table that has grown. */
export const CONVERSATION_MESSAGES: Migration = {
  name: '0004_conversation_messages',
  up: [
    `CREATE INDEX CONCURRENTLY IF NOT EXISTS message_conversation
       ON events.message (tenant_id, conversation_id, message_id) WHERE conversation_id IS NOT NULL`,
  ],
};
