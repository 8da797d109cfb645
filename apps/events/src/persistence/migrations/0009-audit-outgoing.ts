import { auditOutgoingSql } from '@posthorn/postgres/audit-outgoing.js';
import type { Migration } from '@posthorn/postgres/migrate.js';
import { ROLES } from '../roles.js';

/** What people did to rules, hand-offs and intake, on its way into the audit log. */
export const AUDIT_OUTGOING: Migration = {
  name: '0009_audit_outgoing',
  up: auditOutgoingSql('events', { workers: [ROLES.worker], readers: [ROLES.reader] }),
};
