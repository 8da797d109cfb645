import type { Migration } from '@posthorn/postgres/migrate.js';

/** Where a person stands, in what the log is told; until when a question of a double opt-in may be answered (NULL = the default). */
export const TOLD_STANDING: Migration = {
  name: '0005_told_standing',
  up: [
    `ALTER TABLE compliance.outgoing ADD COLUMN status text COLLATE "C" NOT NULL DEFAULT ''`,
    `ALTER TABLE compliance.consent_signal ADD COLUMN open_until timestamptz`,
  ],
};
