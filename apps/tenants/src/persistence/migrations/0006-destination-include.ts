import { type Migration } from '@posthorn/postgres/migrate.js';
import { SCHEMA } from '../roles.js';

/** What a destination wants told beyond IDs and states. */
export const DESTINATION_INCLUDE: Migration = {
  name: '0006_destination_include',
  up: [`ALTER TABLE ${SCHEMA}.destination ADD COLUMN include text[] COLLATE "C" NOT NULL DEFAULT '{}'`],
};
