import { type Migration } from '@posthorn/postgres/migrate.js';
import { SCHEMA } from '../roles.js';

/** Of what a destination subscribed to, what it wants. */
export const DESTINATION_FILTER: Migration = {
  name: '0013_destination_filter',
  up: [`ALTER TABLE ${SCHEMA}.destination ADD COLUMN filter jsonb NOT NULL DEFAULT '{}'`],
};
