import type { Migration } from '@posthorn/postgres/migrate.js';

/**
 * What rests on an event that nobody vouches for. A version before this one writes that everything is vouched for, as
 * it showed it.
 */
export const UNAUTHENTIC: Migration = {
  name: '0014_unauthentic',
  up: ['pending_signal', 'consent_signal', 'suppression', 'outgoing'].map(
    (table) => `ALTER TABLE compliance.${table} ADD COLUMN is_unverified boolean NOT NULL DEFAULT false`,
  ),
};
