import type { Migration } from '@posthorn/postgres/migrate.js';
import { autoanalyzeSql } from '@posthorn/postgres/statistics.js';

/** Autovacuum counts less often what the service counts. */
export const AUTOANALYZE: Migration = {
  name: '0018_autoanalyze',
  up: autoanalyzeSql('compliance'),
};
