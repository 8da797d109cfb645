import { type Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { READER_ROLE, SCHEMA, WORKER_ROLE } from '../roles.js';

/** Words of one meaning: the former ones and those of a policy that is about to be written. */
const WORDS_MAX = 100;
const words = (column: string): string =>
  `${column} text[] COLLATE "C" NOT NULL CHECK (cardinality(${column}) <= ${WORDS_MAX})`;

/** The words that count as keywords beside the usual ones, as the edge gets them. */
export const KEYWORDS: Migration = {
  name: '0003_keywords',
  up: [
    `CREATE TABLE ${SCHEMA}.tenant_keywords (
      tenant_id uuid PRIMARY KEY,
      policy_version bigint NOT NULL CHECK (policy_version >= 0),
      ${words('opt_out')},
      ${words('opt_in')},
      ${words('help')})`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ${SCHEMA}.tenant_keywords TO ${WORKER_ROLE}`,
    `GRANT SELECT ON ${SCHEMA}.tenant_keywords TO ${READER_ROLE}`,
    ...tenantTableSql(`${SCHEMA}.tenant_keywords`, { workers: [WORKER_ROLE], readers: [READER_ROLE] }),
  ],
};
