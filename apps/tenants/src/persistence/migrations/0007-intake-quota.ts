import { type Migration } from '@posthorn/postgres/migrate.js';
import { SCHEMA } from '../roles.js';

/** What a tenant may send that the platform's default does not suit; both or neither. */
export const INTAKE_QUOTA: Migration = {
  name: '0007_intake_quota',
  up: [
    `ALTER TABLE ${SCHEMA}.tenant
      ADD COLUMN intake_rate_per_second integer,
      ADD COLUMN intake_burst integer,
      ADD CONSTRAINT tenant_intake_quota CHECK (
        (intake_rate_per_second IS NULL AND intake_burst IS NULL)
        OR (intake_rate_per_second IS NOT NULL AND intake_burst IS NOT NULL
          AND intake_rate_per_second > 0 AND intake_burst > 0))`,
  ],
};
