import type { Migration } from '@posthorn/postgres/migrate.js';
import { statisticsFunctionSql } from '@posthorn/postgres/statistics.js';
import { ROLES } from '../roles.js';

/** Plans follow tables that grow faster than autovacuum looks. */
export const STATISTICS: Migration = {
  name: '0018_statistics',
  up: statisticsFunctionSql('events', [ROLES.worker]),
};
