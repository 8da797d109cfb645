import { auditOutgoingSql } from '@posthorn/postgres/audit-outgoing.js';
import type { Migration } from '@posthorn/postgres/migrate.js';
import { SCHEMA, WORKER_ROLE } from '../roles.js';

/** What people did to suppressions, consents, persons and policies, on its way into the audit log. */
export const AUDIT_OUTGOING: Migration = {
  name: '0007_audit_outgoing',
  up: auditOutgoingSql(SCHEMA, { workers: [WORKER_ROLE], readers: [] }),
};
