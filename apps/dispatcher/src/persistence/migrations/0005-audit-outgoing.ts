import { auditOutgoingSql } from '@posthorn/postgres/audit-outgoing.js';
import type { Migration } from '@posthorn/postgres/migrate.js';
import { ROLES } from '../roles.js';

/** What people did to deliveries and messages, on its way into the audit log. */
export const AUDIT_OUTGOING: Migration = {
  name: '0005_audit_outgoing',
  up: auditOutgoingSql('dispatch', { workers: [ROLES.worker], readers: [] }),
};
