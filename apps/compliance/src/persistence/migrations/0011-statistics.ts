import type { Migration } from '@posthorn/postgres/migrate.js';
import { statisticsFunctionSql } from '@posthorn/postgres/statistics.js';
import { SCHEMA, WORKER_ROLE } from '../roles.js';

/** Plans follow tables that grow faster than autovacuum looks. */
export const STATISTICS: Migration = {
  name: '0011_statistics',
  up: statisticsFunctionSql(SCHEMA, [WORKER_ROLE]),
};
