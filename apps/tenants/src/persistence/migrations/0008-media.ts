import { type Migration } from '@posthorn/postgres/migrate.js';
import { SCHEMA } from '../roles.js';

/** Of a tenant that wants media kept: of one medium at most so many bytes. */
export const MEDIA: Migration = {
  name: '0008_media',
  up: [
    `ALTER TABLE ${SCHEMA}.tenant ADD COLUMN media_bytes_max integer
       CONSTRAINT tenant_media CHECK (media_bytes_max BETWEEN 1 AND 15728640)`,
  ],
};
