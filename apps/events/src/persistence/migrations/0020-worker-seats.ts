import { type Migration } from '@posthorn/postgres/migrate.js';
import { WORKER_SEAT_SQL } from '@posthorn/postgres/shard-leases.js';

/** The successor of a killed worker takes its shards at once. The version before leaves the column empty. */
export const WORKER_SEATS: Migration = {
  name: '0020_worker_seats',
  up: [WORKER_SEAT_SQL('events')],
};
