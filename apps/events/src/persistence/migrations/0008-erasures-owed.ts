import type { Migration } from '@posthorn/postgres/migrate.js';

/** Which services still have to be told of an erasure that is done again, and when they were asked last. */
export const ERASURES_OWED: Migration = {
  name: '0008_erasures_owed',
  up: [
    `ALTER TABLE events.erasure ADD COLUMN owed text[] NOT NULL DEFAULT '{}', ADD COLUMN asked_at timestamptz`,
    `CREATE INDEX erasure_owed ON events.erasure (asked_at NULLS FIRST, requested_at) WHERE owed <> '{}'`,
  ],
};
