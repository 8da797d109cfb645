import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { textArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** A message that has no end yet. IDs are 16 bytes. */
export interface WatchedMessage {
  readonly tenantId: Buffer;
  readonly messageId: Buffer;
  readonly sourceId: Buffer;
  readonly providerMessageId: string;
  readonly isCommand: boolean;
  /** Empty when it was merged into another one. */
  readonly state: string;
  readonly channel: string;
  readonly stateChangedAtMs: number;
  readonly conversationId: Buffer | undefined;
  readonly personHash: Buffer | undefined;
}

interface Row {
  tenant_id: string;
  message_id: string;
  source_id: string;
  provider_message_id: string | null;
  is_command: boolean;
  state: string;
  channel: string;
  changed: number;
  conversation_id: string | null;
  person_hash: Buffer | null;
}

/** The tenants, one index step each: they are few, their messages are not. */
const TENANTS = `
  WITH RECURSIVE t AS (
    (SELECT tenant_id FROM events.message ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT m.tenant_id FROM events.message m WHERE m.tenant_id > t.tenant_id ORDER BY m.tenant_id LIMIT 1)
    FROM t WHERE t.tenant_id IS NOT NULL
  )`;
const NO_ID = `'00000000-0000-0000-0000-000000000000'::uuid`;

/**
 * Goes on through every tenant's messages by age, and notes those without an end.
 * Why by the ID's time and not by an index on the state: every update of a message would have to change that index.
 */
const SWEEP = {
  name: 'watch_sweep',
  text: `${TENANTS}, s AS MATERIALIZED (
    SELECT m.* FROM t
    LEFT JOIN events.watch_cursor w ON w.tenant_id = t.tenant_id
    CROSS JOIN LATERAL (
      SELECT tenant_id, message_id, direction, state, merged_into FROM events.message
      WHERE tenant_id = t.tenant_id AND message_id > COALESCE(w.through, ${NO_ID}) AND message_id < $1::uuid
      ORDER BY message_id LIMIT $2
    ) m
    WHERE t.tenant_id IS NOT NULL
  ), noted AS (
    INSERT INTO events.message_watch (tenant_id, message_id, due_at)
    SELECT tenant_id, message_id, clock_timestamp() FROM s
    WHERE direction <> 'inbound' AND merged_into IS NULL AND state = ANY ($3::text[])
    ON CONFLICT DO NOTHING
  ), moved AS (
    INSERT INTO events.watch_cursor (tenant_id, through)
    SELECT tenant_id, (array_agg(message_id ORDER BY message_id DESC))[1] FROM s GROUP BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET through = excluded.through
  )
  SELECT count(*)::int4 AS seen FROM s`,
};
const DUE = {
  name: 'watch_due',
  text: `SELECT w.tenant_id, w.message_id, m.source_id, m.provider_message_id, m.is_command,
           CASE WHEN m.merged_into IS NULL THEN m.state ELSE '' END AS state, m.channel,
           date_part('epoch', m.state_changed_at) * 1000 AS changed, m.conversation_id, m.person_hash
         FROM (SELECT tenant_id, message_id FROM events.message_watch
               WHERE due_at <= to_timestamp($1::float8 / 1000) ORDER BY due_at LIMIT $2) w
         JOIN events.message m ON m.tenant_id = w.tenant_id AND m.message_id = w.message_id`,
};
const DONE = {
  name: 'watch_done',
  text: `DELETE FROM events.message_watch w USING unnest($1::uuid[], $2::uuid[]) AS k (tenant_id, message_id)
         WHERE w.tenant_id = k.tenant_id AND w.message_id = k.message_id`,
};
const LATER = {
  name: 'watch_later',
  text: `UPDATE events.message_watch w SET due_at = to_timestamp(k.due::float8 / 1000)
         FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (tenant_id, message_id, due)
         WHERE w.tenant_id = k.tenant_id AND w.message_id = k.message_id`,
};

type Key = Pick<WatchedMessage, 'tenantId' | 'messageId'>;
const keyColumns = (keys: readonly Key[]): Buffer[] => [
  uuidArray(keys.map(({ tenantId }) => tenantId)),
  uuidArray(keys.map(({ messageId }) => messageId)),
];

/** Which messages wait for an end. */
export class WatchStore {
  /**
   * @param before messages whose ID is below this one. @param perTenantMax of each tenant in one call.
   * @param openStates states that are no end. @returns how many messages were looked at.
   */
  async sweep(
    tx: Pick<Tx, 'query'>,
    before: Buffer,
    perTenantMax: number,
    openStates: readonly string[],
  ): Promise<number> {
    const { rows } = await tx.query<{ seen: number }>(SWEEP, [uuidText(before), perTenantMax, openStates]);
    return rows[0]!.seen;
  }

  async due(tx: Pick<Tx, 'query'>, nowMs: number, limit: number): Promise<WatchedMessage[]> {
    const { rows } = await tx.query<Row>(DUE, [nowMs, limit]);
    return rows.map((row) => ({
      tenantId: uuidBytes(row.tenant_id),
      messageId: uuidBytes(row.message_id),
      sourceId: uuidBytes(row.source_id),
      providerMessageId: row.provider_message_id ?? '',
      isCommand: row.is_command,
      state: row.state,
      channel: row.channel,
      stateChangedAtMs: row.changed,
      conversationId: row.conversation_id === null ? undefined : uuidBytes(row.conversation_id),
      personHash: row.person_hash ?? undefined,
    }));
  }

  async done(tx: Pick<Tx, 'query'>, keys: readonly Key[]): Promise<void> {
    if (keys.length > 0) await tx.query(DONE, keyColumns(keys));
  }

  async later(
    tx: Pick<Tx, 'query'>,
    watches: readonly (Key & { readonly dueAtMs: number })[],
  ): Promise<void> {
    if (watches.length === 0) return;
    await tx.query(LATER, [...keyColumns(watches), textArray(watches.map(({ dueAtMs }) => String(dueAtMs)))]);
  }
}
