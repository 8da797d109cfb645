import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { ROLES } from '../roles.js';

const policies = { workers: [ROLES.worker], readers: [ROLES.reader] };

/** How days leave, what is deleted of single tenants, and what is written about both. */
export const RETENTION: Migration = {
  name: '0004_retention',
  up: [
    `CREATE TABLE dispatch.retention_run (
       tenant_id uuid NOT NULL,
       run_id uuid NOT NULL,
       data_class text COLLATE "C" NOT NULL,
       before timestamptz NOT NULL,
       rows bigint NOT NULL,
       PRIMARY KEY (tenant_id, run_id)
     )`,
    // Whole days, of all tenants at once.
    `CREATE TABLE dispatch.retention_drop (
       run_id uuid PRIMARY KEY,
       data_class text COLLATE "C" NOT NULL,
       before timestamptz NOT NULL,
       partitions text[] NOT NULL
     )`,
    ...tenantTableSql('dispatch.retention_run', policies),
    `GRANT INSERT ON dispatch.retention_run, dispatch.retention_drop TO ${ROLES.worker}`,
    `GRANT SELECT ON dispatch.retention_run, dispatch.retention_drop TO ${ROLES.reader}`,
    `GRANT DELETE ON dispatch.delivery, dispatch.attempt, dispatch.command, dispatch.command_attempt TO ${ROLES.worker}`,
    `GRANT EXECUTE ON FUNCTION dispatch.day_uuid(date) TO ${ROLES.worker}`,
    // Why a function: whoever drops a partition must own it, and the workers own nothing. Why it looks for what is
    // open once more: a dead letter can be put back in line until nobody else has the table.
    `CREATE FUNCTION dispatch.drop_day(kind text, day date) RETURNS text[] LANGUAGE plpgsql
       SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '250ms' SET enable_seqscan = off AS $$
       DECLARE
         suffix text := '_p' || to_char(day, 'YYYYMMDD');
         judge text := CASE WHEN kind = 'deliveries' THEN 'delivery' ELSE 'command' END;
         parents text[];
         parent text;
         is_open boolean := false;
         dropped text[] := '{}';
       BEGIN
         parents := CASE kind
           WHEN 'contents' THEN ARRAY['command_content']
           WHEN 'commands' THEN ARRAY['command_content', 'command_attempt', 'command']
           WHEN 'deliveries' THEN ARRAY['attempt', 'delivery'] END;
         IF parents IS NULL THEN RAISE 'no such kind'; END IF;
         IF day > (clock_timestamp() AT TIME ZONE 'UTC')::date - 2 THEN RAISE 'too young'; END IF;
         EXECUTE format('LOCK TABLE ONLY dispatch.%I IN ACCESS EXCLUSIVE MODE', judge);
         IF to_regclass(format('dispatch.%I', judge || suffix)) IS NOT NULL THEN
           EXECUTE format('SELECT EXISTS (SELECT FROM dispatch.%I WHERE finished_at IS NULL)', judge || suffix)
             INTO is_open;
         END IF;
         IF is_open THEN RETURN dropped; END IF;
         FOREACH parent IN ARRAY parents LOOP
           CONTINUE WHEN to_regclass(format('dispatch.%I', parent || suffix)) IS NULL;
           EXECUTE format('DROP TABLE dispatch.%I', parent || suffix);
           dropped := dropped || (parent || suffix);
         END LOOP;
         RETURN dropped;
       END $$`,
    `REVOKE ALL ON FUNCTION dispatch.drop_day(text, date) FROM PUBLIC`,
    `GRANT EXECUTE ON FUNCTION dispatch.drop_day(text, date) TO ${ROLES.worker}`,
  ],
};
