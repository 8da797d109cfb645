import type pg from 'pg';

const ROWS_EACH = 50_000;
/** Older than any transaction of the platform, so that no cursor ever comes to these rows. */
const OLD_XID = 3;
const CURSOR_XID = 4;
/** Of 16 MB: with a gigabyte of them none is made while a cell runs. */
const WAL_SEGMENTS = 64;

/**
 * Fills the tables of `events` with rows of the last hours, so that indexes have the depth of a table in use:
 * empty tables flatter. Only while nothing else uses the database.
 * @param hasCursors false where no platform runs on these tables.
 */
export async function prefill(db: pg.ClientBase, rows: number, hasCursors: boolean): Promise<void> {
  if (hasCursors)
    await db.query(`UPDATE events.shard SET cursor_xid = $1::text::xid8 WHERE cursor_xid < $1::text::xid8`, [
      CURSOR_XID,
    ]);
  for (let done = 0; done < rows; done += ROWS_EACH) {
    await db.query(
      `WITH n AS MATERIALIZED (
         SELECT i, (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 1 - (random() * 3600000)::bigint), 12, '0')
                  || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid AS id,
                '00000000-0000-7000-8000-0000000000ff'::uuid AS tenant
         FROM generate_series(1, $1::int) i
       ), d AS (
         INSERT INTO events.dedup (tenant_id, source_id, dedup_hash, event_id)
         SELECT tenant, tenant, decode(md5(random()::text || i), 'hex'), id FROM n
       ), r AS (
         INSERT INTO events.raw (tenant_id, request_id, source_id, data_key_id, received_at, body)
         SELECT tenant, id, tenant, tenant, now(), decode(repeat(md5(i::text), 16), 'hex') FROM n
       ), c AS (
         INSERT INTO events.content (tenant_id, event_id, data_key_id, body)
         SELECT tenant, id, tenant, decode(repeat(md5(i::text), 8), 'hex') FROM n
       ), m AS (
         INSERT INTO events.message (tenant_id, message_id, source_id, provider_message_id, state, state_changed_at,
           is_contradicted, evidence, channel, direction, campaign)
         SELECT tenant, id, tenant, 'prefill-' || id, 'sent', now(), false, '\\x00', 'sms', 'outbound', '' FROM n
       )
       INSERT INTO events.event_log (shard, xid, tenant_id, event_id, source_id, request_id, type, provider,
         provider_event_id, received_at, traceparent, attributes)
       SELECT i % 64, $2::text::xid8, tenant, id, tenant, id, 'message.sent', 'prefill', '', now(), '', '\\x6a00' FROM n`,
      [Math.min(ROWS_EACH, rows - done), OLD_XID],
    );
  }
  await db.query('VACUUM ANALYZE events.dedup, events.raw, events.content, events.message, events.event_log');
  await recycleWal(db);
}

/** A server that has run for a day writes into segments of before; a new one makes each, and commits wait for that. */
async function recycleWal(db: pg.ClientBase): Promise<void> {
  for (let done = 0; done < WAL_SEGMENTS; done++)
    await db.query(`SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'bench', '')`);
  await db.query('CHECKPOINT');
  const { rows } = await db.query<{ segments: number }>(
    'SELECT count(*)::int AS segments FROM pg_ls_waldir()',
  );
  const { segments } = rows[0]!;
  if (segments < WAL_SEGMENTS)
    throw new Error(`Postgres keeps ${segments} segments of its log: min_wal_size`);
}
