import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantPurgeSql } from '@posthorn/postgres/tenant-purge.js';
import { SCHEMA, WORKER_ROLE } from '../roles.js';

/** What is taken away once a tenant is deleted: everything but what the log is still to be told. */
export const TENANT_PURGE: Migration = {
  name: '0008_tenant_purge',
  up: [
    ...tenantPurgeSql(SCHEMA, WORKER_ROLE),
    `GRANT DELETE ON compliance.consent_signal, compliance.suppression, compliance.review, compliance.person,
       compliance.person_link, compliance.decision, compliance.permit, compliance.answer, compliance.policy
       TO ${WORKER_ROLE}`,
  ],
};
