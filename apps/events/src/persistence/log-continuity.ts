import { AppError } from '@posthorn/errors/app-error.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';

const IS_AHEAD: Statement = { name: 'log_is_ahead', text: 'SELECT events.log_is_ahead() AS ahead' };

/**
 * Refuses a database whose log is ahead of its server's transactions. Of every new connection: the database may be
 * replaced while a process runs.
 * @throws AppError `config.invalid`
 */
export async function verifyLogContinuity(query: Tx['query']): Promise<void> {
  const { rows } = await query<{ ahead: boolean }>(IS_AHEAD);
  if (rows[0]!.ahead)
    throw new AppError('config.invalid', {
      detail: 'the log is ahead of this server: restored from a dump? Run the migrations of events.',
    });
}

/** Tables whose rows carry numbers of transactions. Not forced meanwhile: the owner must see every row. */
const NUMBERED = ['event_log', 'parked', 'rule'];
const force = (verb: string): string =>
  NUMBERED.map((table) => `ALTER TABLE events.${table} ${verb} ROW LEVEL SECURITY;`).join('\n');

/**
 * Numbers a log that is ahead anew: 1 what the cursors have passed, 2 what they have not, in its order. Every server
 * is beyond these. One transaction, however long: nothing else may run before it.
 */
export const REBASE_LOG = `DO $rebase$
BEGIN
  IF NOT events.log_is_ahead() THEN
    RETURN;
  END IF;
  LOCK TABLE events.shard IN ACCESS EXCLUSIVE MODE;
  ${force('NO FORCE')}
  CREATE TEMPORARY TABLE ahead ON COMMIT DROP AS
    SELECT l.tenant_id, l.event_id, row_number() OVER (ORDER BY l.xid, l.position) AS position
    FROM events.event_log l JOIN events.shard s ON s.shard = l.shard
    WHERE (l.xid, l.position) > (s.cursor_xid, s.cursor_position);
  UPDATE events.event_log SET xid = '1';
  UPDATE events.event_log l SET xid = '2', position = ahead.position
    FROM ahead WHERE ahead.tenant_id = l.tenant_id AND ahead.event_id = l.event_id;
  UPDATE events.parked p SET xid = '1', position = n.position
    FROM (SELECT tenant_id, event_id, row_number() OVER (ORDER BY xid, position) AS position FROM events.parked) n
    WHERE n.tenant_id = p.tenant_id AND n.event_id = p.event_id;
  UPDATE events.rule SET changed_xid = '1';
  UPDATE events.shard SET cursor_xid = '1', cursor_position = 9223372036854775807;
  ${force('FORCE')}
END
$rebase$`;
