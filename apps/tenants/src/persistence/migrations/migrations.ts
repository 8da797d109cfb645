import { type SchemaDefinition } from '@posthorn/postgres/migrate.js';
import { READER_ROLE, SCHEMA, WORKER_ROLE } from '../roles.js';
import { FIRST } from './0001-first.js';
import { TRUST } from './0002-trust.js';
import { KEYWORDS } from './0003-keywords.js';
import { DELETIONS } from './0004-deletions.js';
import { DATA_KEYS } from './0005-data-keys.js';
import { DESTINATION_INCLUDE } from './0006-destination-include.js';
import { INTAKE_QUOTA } from './0007-intake-quota.js';
import { MEDIA } from './0008-media.js';
import { PERSON_KEYS } from './0009-person-keys.js';
import { RECORD_KEYS } from './0010-record-keys.js';
import { DISABLED_DESTINATIONS } from './0011-disabled-destinations.js';
import { NOTIFICATIONS } from './0012-notifications.js';
import { DESTINATION_FILTER } from './0013-destination-filter.js';

/** What `migrate` needs to know of this service. */
export const MIGRATIONS: SchemaDefinition = {
  schema: SCHEMA,
  roles: [WORKER_ROLE, READER_ROLE],
  migrations: [
    ...[FIRST, TRUST, KEYWORDS, DELETIONS, DATA_KEYS, DESTINATION_INCLUDE, INTAKE_QUOTA, MEDIA],
    ...[PERSON_KEYS, RECORD_KEYS, DISABLED_DESTINATIONS, NOTIFICATIONS, DESTINATION_FILTER],
  ],
};
