import { type Migration } from '@posthorn/postgres/migrate.js';
import { SCHEMA } from '../roles.js';

/**
 * What the platform disables, and why. A generation is a configuration that can fail: what was found out of an older one
 * disables nothing.
 * Why a trigger: the version before knows of no generation, and may change a URL or enable a destination meanwhile.
 */
export const DISABLED_DESTINATIONS: Migration = {
  name: '0011_disabled_destinations',
  up: [
    `ALTER TABLE ${SCHEMA}.destination ADD COLUMN generation integer NOT NULL DEFAULT 1`,
    `ALTER TABLE ${SCHEMA}.destination ADD COLUMN disabled_generation integer`,
    `ALTER TABLE ${SCHEMA}.destination ADD COLUMN disabled_reason text COLLATE "C"`,
    `ALTER TABLE ${SCHEMA}.destination ADD COLUMN disabled_at timestamptz`,
    `CREATE FUNCTION ${SCHEMA}.raise_generation() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.generation = OLD.generation
          AND (NEW.url <> OLD.url OR (NEW.status = 'active' AND OLD.status <> 'active')) THEN
          NEW.generation := OLD.generation + 1;
        END IF;
        IF NEW.status = 'active' THEN
          NEW.disabled_reason := NULL;
          NEW.disabled_at := NULL;
        END IF;
        RETURN NEW;
      END $$`,
    `CREATE TRIGGER destination_generation BEFORE UPDATE ON ${SCHEMA}.destination
      FOR EACH ROW EXECUTE FUNCTION ${SCHEMA}.raise_generation()`,
  ],
};
