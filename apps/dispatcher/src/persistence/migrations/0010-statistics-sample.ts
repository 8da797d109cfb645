import type { Migration } from '@posthorn/postgres/migrate.js';
import { statisticsSampleSql } from '@posthorn/postgres/statistics.js';

/** Counting a table that has grown costs a tenth. */
export const STATISTICS_SAMPLE: Migration = {
  name: '0010_statistics_sample',
  up: [statisticsSampleSql('dispatch')],
};
