import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { WORKER_ROLE } from '../roles.js';

/** When mails came through to persons with soft bounces: what of those counts. Of nobody else anything is kept. */
export const MAIL_DELIVERIES: Migration = {
  name: '0009_mail_deliveries',
  up: [
    `CREATE TABLE compliance.mail_delivery (
       tenant_id uuid NOT NULL,
       person_hash bytea NOT NULL CHECK (length(person_hash) = 16),
       delivered_at timestamptz NOT NULL,
       PRIMARY KEY (tenant_id, person_hash, delivered_at)
     )`,
    ...tenantTableSql('compliance.mail_delivery', { workers: [WORKER_ROLE], readers: [] }),
    `GRANT SELECT, INSERT, DELETE ON compliance.mail_delivery TO ${WORKER_ROLE}`,
  ],
};
