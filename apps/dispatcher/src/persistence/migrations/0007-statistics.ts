import type { Migration } from '@posthorn/postgres/migrate.js';
import { statisticsFunctionSql } from '@posthorn/postgres/statistics.js';
import { ROLES } from '../roles.js';

/** Plans follow tables that grow faster than autovacuum looks. */
export const STATISTICS: Migration = {
  name: '0007_statistics',
  up: statisticsFunctionSql('dispatch', [ROLES.worker]),
};
