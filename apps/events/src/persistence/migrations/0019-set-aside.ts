import type { Migration } from '@posthorn/postgres/migrate.js';

/**
 * A reprocessing of named events: those that schemas set aside. A version before this one looks at all that was not
 * understood in the same time instead, which appends nothing twice either.
 */
export const SET_ASIDE: Migration = {
  name: '0019_set_aside',
  up: [`ALTER TABLE events.reprocessing ADD COLUMN event_ids uuid[]`],
};
