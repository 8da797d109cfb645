import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Database, Statement, Tx } from '@posthorn/postgres/database.js';
import { int2Array, textArray, timeArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';
import { filter } from '@posthorn/postgres/filter.js';
import type { MediumEnd, MediumName, MediumState, PlannedMedium } from '../domain/media.js';
import { firstUuidOf } from '../domain/page.js';

type Db = Pick<Database, 'query'>;

/** One that its caller has until its lease ends. */
export interface ClaimedMedium extends MediumName {
  readonly sourceId: Buffer;
  readonly provider: string;
  readonly isExpired: boolean;
}

interface ClaimedRow {
  tenant_id: string;
  event_id: string;
  place: number;
  source_id: string;
  provider: string;
  is_expired: boolean;
}

/** Tenants that one claim looks at, in no order: those that have much wait as long as those that have little. */
const TENANTS_MAX = 64;

const PLAN: Statement = {
  name: 'media_plan',
  text: `INSERT INTO events.media (tenant_id, event_id, place, source_id, provider, expires_at)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int2[], $4::uuid[], $5::text[], $6::timestamptz[])
         ON CONFLICT DO NOTHING`,
};
/** One index step for each tenant; the bound on the event leaves older days alone. */
const CLAIM: Statement = {
  name: 'media_claim',
  text: `
WITH RECURSIVE t AS (
  (SELECT tenant_id FROM events.media WHERE state = 'pending' AND event_id >= $1::uuid ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT m.tenant_id FROM events.media m WHERE m.state = 'pending' AND m.event_id >= $1::uuid
            AND m.tenant_id > t.tenant_id ORDER BY m.tenant_id LIMIT 1)
  FROM t WHERE t.tenant_id IS NOT NULL
), chosen AS MATERIALIZED (
  SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL ORDER BY random() LIMIT ${TENANTS_MAX}
), due AS MATERIALIZED (
  SELECT d.* FROM chosen c CROSS JOIN LATERAL (
    SELECT m.tenant_id, m.event_id, m.place FROM events.media m
    WHERE m.tenant_id = c.tenant_id AND m.state = 'pending' AND m.event_id >= $1::uuid AND m.due_at <= clock_timestamp()
    ORDER BY m.due_at LIMIT $3::int FOR UPDATE SKIP LOCKED
  ) d LIMIT $2::int
)
UPDATE events.media m SET holder = $4, attempts = m.attempts + 1,
  due_at = clock_timestamp() + $5::float8 * interval '1 second'
FROM due d WHERE m.tenant_id = d.tenant_id AND m.event_id = d.event_id AND m.place = d.place AND m.event_id >= $1::uuid
RETURNING m.tenant_id, m.event_id, m.place, m.source_id, m.provider, m.expires_at <= clock_timestamp() AS is_expired`,
};
const HELD = `tenant_id = $1 AND event_id = $2 AND place = $3 AND ${filter("state = 'pending'")} AND holder = $4`;
const STORE: Statement = {
  name: 'media_store',
  text: `UPDATE events.media SET state = 'stored', reason = '', holder = '', settled_at = clock_timestamp(), content_type = $5,
           size_bytes = $6, data_key_id = $7, body = $8 WHERE ${HELD}`,
};
const END: Statement = {
  name: 'media_end',
  text: `UPDATE events.media SET state = $5, reason = $6, holder = '', settled_at = clock_timestamp() WHERE ${HELD}`,
};
/** Past its time there is no next try. */
const RETRY: Statement = {
  name: 'media_retry',
  text: `UPDATE events.media SET reason = $5, holder = '',
           due_at = clock_timestamp() + $6::float8 * interval '1 millisecond',
           state = CASE WHEN clock_timestamp() + $6::float8 * interval '1 millisecond' >= expires_at
             THEN 'failed' ELSE 'pending' END,
           settled_at = CASE WHEN clock_timestamp() + $6::float8 * interval '1 millisecond' >= expires_at
             THEN clock_timestamp() END
         WHERE ${HELD} RETURNING state`,
};
const ATTEMPTS: Statement = {
  name: 'media_attempts',
  text: `SELECT attempts FROM events.media WHERE ${HELD}`,
};

/** Media that are to be fetched, and what becomes of them; never reads a body. */
export class MediaStore {
  /** Those that are there already stay as they are. */
  async plan(tx: Tx, media: readonly PlannedMedium[]): Promise<void> {
    await tx.query(PLAN, [
      uuidArray(media.map(({ tenantId }) => tenantId)),
      uuidArray(media.map(({ eventId }) => eventId)),
      int2Array(media.map(({ index }) => index)),
      uuidArray(media.map(({ sourceId }) => sourceId)),
      textArray(media.map(({ provider }) => provider)),
      timeArray(media.map(({ expiresAtMs }) => expiresAtMs)),
    ]);
  }

  /** @param fromMs of the oldest event that is looked at. @param limits in all, and of one tenant. */
  async claim(
    db: Db,
    holder: string,
    fromMs: number,
    limits: { readonly all: number; readonly perTenant: number },
    leaseSeconds: number,
  ): Promise<ClaimedMedium[]> {
    const { rows } = await db.query<ClaimedRow>(CLAIM, [
      ...[firstUuidOf(fromMs), limits.all, limits.perTenant, holder, leaseSeconds],
    ]);
    return rows.map((row) => ({
      tenantId: uuidBytes(row.tenant_id),
      eventId: uuidBytes(row.event_id),
      index: row.place,
      sourceId: uuidBytes(row.source_id),
      provider: row.provider,
      isExpired: row.is_expired,
    }));
  }

  /** @returns false when that holder does not have it (any more), or it was taken away. */
  async store(
    db: Db,
    name: MediumName,
    holder: string,
    medium: {
      readonly contentType: string;
      readonly bytes: number;
      readonly dataKeyId: Buffer;
      readonly body: Buffer;
    },
  ): Promise<boolean> {
    const { contentType, bytes, dataKeyId, body } = medium;
    const values = [...held(name, holder), contentType, bytes, uuidText(dataKeyId), body];
    return (await db.query(STORE, values)).rowCount > 0;
  }

  /** For good. @returns whether that holder had it. */
  async end(db: Db, name: MediumName, holder: string, state: MediumEnd, reason: string): Promise<boolean> {
    return (await db.query(END, [...held(name, holder), state, reason])).rowCount > 0;
  }

  /** How often it was handed out; undefined when that holder does not have it. */
  async attempts(db: Db, name: MediumName, holder: string): Promise<number | undefined> {
    return (await db.query<{ attempts: number }>(ATTEMPTS, held(name, holder))).rows[0]?.attempts;
  }

  /** Gives it back until later. @returns what it is then; undefined when that holder did not have it. */
  async retry(
    db: Db,
    name: MediumName,
    holder: string,
    reason: string,
    delayMs: number,
  ): Promise<MediumState | undefined> {
    const values = [...held(name, holder), reason, delayMs];
    return (await db.query<{ state: MediumState }>(RETRY, values)).rows[0]?.state;
  }
}

const held = ({ tenantId, eventId, index }: MediumName, holder: string) => [
  ...[uuidText(tenantId), uuidText(eventId), index, holder],
];
