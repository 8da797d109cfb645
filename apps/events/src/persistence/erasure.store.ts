import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Database, Statement, Tx } from '@posthorn/postgres/database.js';
import {
  ERASING_SERVICES,
  type Erasure,
  type ErasureOrder,
  type ErasingService,
  type OwedErasure,
} from '../domain/erasure.js';
import { uuidArray } from '@posthorn/postgres/pg-arrays.js';

type Db = Pick<Database, 'query'>;
type ErasureName = Pick<ErasureOrder, 'tenantId' | 'erasureId'>;
type OwedRow = Pick<Row, 'tenant_id' | 'erasure_id' | 'actor' | 'person_hashes'> & {
  readonly owed: readonly string[];
};

interface Row {
  tenant_id: string;
  erasure_id: string;
  actor: string;
  person_hashes: Buffer[];
  requested: number;
  through: string;
  done_through: string;
  messages_through: string | null;
  raw_rows: string;
  content_rows: string;
  step_rows: string;
  media_rows: string;
  completed: number | null;
}

const COLUMNS = `tenant_id, erasure_id, actor, person_hashes, date_part('epoch', requested_at) * 1000 AS requested,
  through, done_through, messages_through, raw_rows, content_rows, step_rows, media_rows,
  date_part('epoch', completed_at) * 1000 AS completed`;

const NO_ID = '00000000-0000-0000-0000-000000000000';

const ORDER: Statement = {
  name: 'erasure_order',
  text: `INSERT INTO events.erasure (tenant_id, erasure_id, actor, person_hashes, requested_at, through, owed)
         VALUES ($1, $2, $3, $4, to_timestamp($5::float8 / 1000), $6, $7) ON CONFLICT DO NOTHING`,
};
const MISSING: Statement = {
  name: 'erasure_missing',
  text: `SELECT k.ordinal::int4 AS ordinal
         FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS k (tenant_id, erasure_id, ordinal)
         WHERE NOT EXISTS (SELECT FROM events.erasure e WHERE e.tenant_id = k.tenant_id AND e.erasure_id = k.erasure_id)`,
};
const GET: Statement = {
  name: 'erasure_get',
  text: `SELECT ${COLUMNS} FROM events.erasure WHERE tenant_id = $1 AND erasure_id = $2`,
};
const LOCK: Statement = { name: 'erasure_lock', text: `${GET.text} FOR UPDATE` };
const OPEN: Statement = {
  name: 'erasure_open',
  text: `SELECT ${COLUMNS} FROM events.erasure WHERE completed_at IS NULL ORDER BY requested_at LIMIT $1::int`,
};

const OWED: Statement = {
  name: 'erasure_owed',
  text: `SELECT tenant_id, erasure_id, actor, person_hashes, owed FROM events.erasure
         WHERE owed <> '{}'
           AND (asked_at IS NULL OR asked_at < clock_timestamp() - $2::float8 * interval '1 millisecond')
         ORDER BY asked_at NULLS FIRST, requested_at LIMIT $1::int`,
};
const ASKED: Statement = {
  name: 'erasure_asked',
  text: `UPDATE events.erasure SET asked_at = clock_timestamp() WHERE tenant_id = $1 AND erasure_id = $2`,
};
/**
 * Dispatcher may have told the log of messages until now, from before the order: whoever goes on with it looks at the
 * log once more.
 */
const TOLD: Statement = {
  name: 'erasure_told',
  text: `UPDATE events.erasure SET owed = array_remove(owed, $3),
           done_through = CASE WHEN $4::bool THEN '${NO_ID}'::uuid ELSE done_through END,
           messages_through = CASE WHEN $4::bool THEN NULL ELSE messages_through END,
           completed_at = CASE WHEN $4::bool THEN NULL ELSE completed_at END
         WHERE tenant_id = $1 AND erasure_id = $2`,
};

/** Deletes what these events carry. Why arrays: a join would have the planner read whole tables. */
const TAKE = `c AS (
  DELETE FROM events.content WHERE tenant_id = $1 AND event_id = ANY (ARRAY(SELECT event_id FROM hit)) RETURNING 1
), m AS (
  DELETE FROM events.media WHERE tenant_id = $1 AND event_id = ANY (ARRAY(SELECT event_id FROM hit)) RETURNING 1
), r AS (
  DELETE FROM events.raw WHERE tenant_id = $1
    AND request_id = ANY (ARRAY(SELECT DISTINCT request_id FROM hit WHERE request_id IS NOT NULL)) RETURNING 1
)`;
/** What waits to be put together: whoever does so just now is waited for, and what it made is found in the log. */
const TAKE_OF_PARTS: Statement = {
  name: 'erasure_take_of_parts',
  text: `DELETE FROM events.message_part WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[])`,
};
const COUNTS = `(SELECT count(*)::int4 FROM r) AS raw, (SELECT count(*)::int4 FROM c) AS content,
  (SELECT count(*)::int4 FROM m) AS media`;

/** By the tenant's log in its order: an index of it by person would cost intake at every event. */
const TAKE_OF_LOG: Statement = {
  name: 'erasure_take_of_log',
  text: `
WITH page AS MATERIALIZED (
  SELECT event_id, request_id, person_hash FROM events.event_log
  WHERE tenant_id = $1 AND event_id > $2::uuid AND event_id <= $3::uuid ORDER BY event_id LIMIT $4::int
), hit AS MATERIALIZED (
  SELECT event_id, request_id FROM page WHERE person_hash = ANY ($5::bytea[])
), ${TAKE}
SELECT ${COUNTS}, (SELECT event_id FROM page ORDER BY event_id DESC LIMIT 1) AS last`,
};
const CONVERSATIONS = `SELECT conversation_id FROM events.conversation WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[])`;
/** A provider may tell of a message without telling whose it is. */
const TAKE_OF_MESSAGES: Statement = {
  name: 'erasure_take_of_messages',
  text: `
WITH page AS MATERIALIZED (
  SELECT message_id FROM events.message WHERE tenant_id = $1 AND conversation_id = ANY (ARRAY(${CONVERSATIONS}))
    AND message_id > $3::uuid ORDER BY message_id LIMIT $4::int
), hit AS MATERIALIZED (
  SELECT l.event_id, l.request_id FROM page p
  CROSS JOIN LATERAL (
    SELECT t.event_id FROM events.transition t WHERE t.tenant_id = $1 AND t.message_id = p.message_id
      AND t.event_id <= $5::uuid OFFSET 0
  ) t
  CROSS JOIN LATERAL (
    SELECT l.event_id, l.request_id FROM events.event_log l WHERE l.tenant_id = $1 AND l.event_id = t.event_id OFFSET 0
  ) l
), ${TAKE}
SELECT ${COUNTS}, (SELECT message_id FROM page ORDER BY message_id DESC LIMIT 1) AS last`,
};
/** What people wrote about the conversation and the log does not have yet; the log's own is content like any other. */
const TAKE_OF_STEPS: Statement = {
  name: 'erasure_take_of_steps',
  text: `UPDATE events.handoff_step SET content = NULL
         WHERE tenant_id = $1 AND conversation_id = ANY (ARRAY(${CONVERSATIONS})) AND content IS NOT NULL`,
};
const MOVED: Statement = {
  name: 'erasure_moved',
  text: `UPDATE events.erasure SET done_through = $3, messages_through = $4, raw_rows = raw_rows + $5,
           content_rows = content_rows + $6, step_rows = step_rows + $7, media_rows = media_rows + $8,
           completed_at = CASE WHEN $9::bool THEN clock_timestamp() END
         WHERE tenant_id = $1 AND erasure_id = $2`,
};

interface Taken {
  raw: number;
  content: number;
  media: number;
  last: string | null;
}

/** Erasures of people, and how far each is. */
export class ErasureStore {
  /** Once: the same order again changes nothing. @param owed who else has to be told. */
  async order(db: Db, order: ErasureOrder, owed: readonly ErasingService[] = []): Promise<void> {
    await db.query(ORDER, [
      ...[uuidText(order.tenantId), uuidText(order.erasureId), order.actor, order.personHashes],
      ...[order.requestedAtMs, uuidText(order.through), owed],
    ]);
  }

  /** Those of which other services have to be told, oldest first. @param againMs not before so long after the last try. */
  async owed(db: Db, limit: number, againMs: number): Promise<OwedErasure[]> {
    const { rows } = await db.query<OwedRow>(OWED, [limit, againMs]);
    return rows.map((row) => ({
      tenantId: uuidBytes(row.tenant_id),
      erasureId: uuidBytes(row.erasure_id),
      actor: row.actor,
      personHashes: row.person_hashes,
      owed: ERASING_SERVICES.filter((service) => row.owed.includes(service)),
    }));
  }

  async asked(db: Db, { tenantId, erasureId }: ErasureName): Promise<void> {
    await db.query(ASKED, [uuidText(tenantId), uuidText(erasureId)]);
  }

  /** A service has done it. */
  async told(db: Db, { tenantId, erasureId }: ErasureName, service: ErasingService): Promise<void> {
    await db.query(TOLD, [uuidText(tenantId), uuidText(erasureId), service, service === 'dispatcher']);
  }

  /** Those of the orders that are not here. */
  async missing(db: Db, orders: readonly ErasureOrder[]): Promise<ErasureOrder[]> {
    const { rows } = await db.query<{ ordinal: number }>(MISSING, [
      uuidArray(orders.map(({ tenantId }) => tenantId)),
      uuidArray(orders.map(({ erasureId }) => erasureId)),
    ]);
    return rows.map(({ ordinal }) => orders[ordinal - 1]!);
  }

  async get(db: Pick<Tx, 'query'>, tenantId: string, erasureId: string): Promise<Erasure | undefined> {
    const { rows } = await db.query<Row>(GET, [tenantId, erasureId]);
    return rows[0] && erasureOf(rows[0]);
  }

  /** Those that are not complete, oldest first. */
  async open(db: Db, limit: number): Promise<Erasure[]> {
    return (await db.query<Row>(OPEN, [limit])).rows.map(erasureOf);
  }

  /** Takes one page further; in its own transaction. @returns whether the erasure is complete. */
  async step(
    tx: Tx,
    { tenantId, erasureId }: Pick<ErasureOrder, 'tenantId' | 'erasureId'>,
    limit: number,
  ): Promise<boolean> {
    const name = [uuidText(tenantId), uuidText(erasureId)] as const;
    const row = (await tx.query<Row>(LOCK, name)).rows[0]!;
    if (row.completed !== null) return true;
    const [tenant, hashes] = [row.tenant_id, row.person_hashes];
    await tx.query(TAKE_OF_PARTS, [tenant, hashes]);
    if (row.messages_through === null) {
      const values = [tenant, row.done_through, row.through, limit, hashes];
      const taken = (await tx.query<Taken>(TAKE_OF_LOG, values)).rows[0]!;
      const messages = taken.last === null ? NO_ID : null;
      await tx.query(MOVED, [
        ...[...name, taken.last ?? row.done_through, messages],
        ...[taken.raw, taken.content, 0, taken.media, false],
      ]);
      return false;
    }
    const values = [tenant, hashes, row.messages_through, limit, row.through];
    const taken = (await tx.query<Taken>(TAKE_OF_MESSAGES, values)).rows[0]!;
    const isComplete = taken.last === null;
    const steps = isComplete ? (await tx.query(TAKE_OF_STEPS, [tenant, hashes])).rowCount : 0;
    await tx.query(MOVED, [
      ...[...name, row.done_through, taken.last ?? row.messages_through],
      ...[taken.raw, taken.content, steps, taken.media, isComplete],
    ]);
    return isComplete;
  }
}

const erasureOf = (row: Row): Erasure => ({
  tenantId: uuidBytes(row.tenant_id),
  erasureId: uuidBytes(row.erasure_id),
  actor: row.actor,
  personHashes: row.person_hashes,
  requestedAtMs: row.requested,
  through: uuidBytes(row.through),
  completedAtMs: row.completed ?? 0,
  erased: [
    { table: 'raw', rows: BigInt(row.raw_rows) },
    { table: 'content', rows: BigInt(row.content_rows) },
    { table: 'handoff_step', rows: BigInt(row.step_rows) },
    { table: 'media', rows: BigInt(row.media_rows) },
  ],
});
