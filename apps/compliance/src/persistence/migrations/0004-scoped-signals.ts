import type { Migration } from '@posthorn/postgres/migrate.js';

/** What of its channel an opt-out of intake is about: a program, or `all`; empty = every channel. */
export const SCOPED_SIGNALS: Migration = {
  name: '0004_scoped_signals',
  up: [`ALTER TABLE compliance.pending_signal ADD COLUMN program text COLLATE "C" NOT NULL DEFAULT ''`],
};
