import { type Migration } from '@posthorn/postgres/migrate.js';
import { SCHEMA } from '../roles.js';

/** What the receipt of a deleted tenant says; its row stays for its slug anyway. */
export const DELETIONS: Migration = {
  name: '0004_deletions',
  up: [
    `ALTER TABLE ${SCHEMA}.tenant
      ADD COLUMN destroyed_key_ids uuid[] NOT NULL DEFAULT '{}',
      ADD COLUMN deletion_audit_id uuid`,
    `CREATE INDEX tenant_deleted ON ${SCHEMA}.tenant (tenant_id) WHERE status = 'deleted'`,
  ],
};
