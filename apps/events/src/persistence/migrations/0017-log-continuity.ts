import type { Migration } from '@posthorn/postgres/migrate.js';
import { ROLES } from '../roles.js';

/**
 * Whether the log has numbers of transactions that this server has not come to: it was restored from a dump into a
 * younger one. New events would stand before the cursors, where nobody looks.
 */
export const LOG_CONTINUITY: Migration = {
  name: '0017_log_continuity',
  up: [
    // Runs as the owner: the role that appends reads no cursors.
    `CREATE FUNCTION events.log_is_ahead() RETURNS boolean
       LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
       AS 'SELECT EXISTS (SELECT FROM events.shard WHERE cursor_xid > pg_snapshot_xmax(pg_current_snapshot()))'`,
    `REVOKE EXECUTE ON FUNCTION events.log_is_ahead() FROM PUBLIC`,
    `GRANT EXECUTE ON FUNCTION events.log_is_ahead() TO ${Object.values(ROLES).join(', ')}`,
  ],
};
