import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Database, Statement, Tx } from '@posthorn/postgres/database.js';
import { byteaArray, int2Array, textArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';
import { partOf, type LoggedEvent } from '../domain/project-event.js';
import { CONCAT_WAIT_MS, type WaitingPart } from '../domain/text-parts.js';
import { LOG_COLUMNS, loggedEvent, type LogRow } from './log.read.js';

type Db = Pick<Database, 'query'>;

/** A text whose parts are chosen. */
export interface ChosenText {
  readonly tenantId: Buffer;
  /** Of the event that it becomes; 16 bytes. */
  readonly joinedId: Buffer;
  readonly parts: readonly WaitingPart[];
}

/** The parts of one chosen text, in their order. */
export interface JoinableText extends Pick<ChosenText, 'tenantId' | 'joinedId'> {
  readonly total: number;
  readonly parts: readonly LoggedEvent[];
}

interface Row {
  tenant_id: string;
  event_id: string;
  source_id: string;
  text_hash: Buffer;
  number: number;
  total: number;
  occurred_ms: number;
  received_ms: number;
  waits_since: number;
}

/** Texts, and their parts, that are looked at in one round. */
const TEXTS_MAX = 100;
const PARTS_MAX = 5_000;
/** Of the transactions that choose: two at once would put one part into two texts. */
const CHOOSING_LOCK = 7_403_120_016;

const ADD: Statement = {
  name: 'part_add',
  text: `INSERT INTO events.message_part (tenant_id, event_id, source_id, text_hash, number, total, person_hash,
           occurred_ms, received_ms)
         SELECT tenant_id, event_id, source_id, text_hash, number, total, person_hash, occurred::float8,
           received::float8
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::int2[], $6::int2[], $7::bytea[],
           $8::text[], $9::text[])
           AS p (tenant_id, event_id, source_id, text_hash, number, total, person_hash, occurred, received)
         ON CONFLICT DO NOTHING`,
};
const LOCK: Statement = { name: 'part_choosing', text: 'SELECT pg_advisory_xact_lock($1::bigint)' };
/** Of texts that are complete, or waited long enough. */
const RIPE: Statement = {
  name: 'part_ripe',
  text: `
WITH ripe AS MATERIALIZED (
  SELECT tenant_id, source_id, text_hash FROM events.message_part WHERE joined_id IS NULL
  GROUP BY tenant_id, source_id, text_hash
  HAVING count(DISTINCT number) >= max(total) OR min(waits_since) <= to_timestamp($1::float8 / 1000)
  ORDER BY min(waits_since) LIMIT ${TEXTS_MAX}
)
SELECT p.tenant_id, p.event_id, p.source_id, p.text_hash, p.number, p.total, p.occurred_ms, p.received_ms,
  date_part('epoch', p.waits_since) * 1000 AS waits_since
FROM ripe r JOIN events.message_part p
  ON p.tenant_id = r.tenant_id AND p.source_id = r.source_id AND p.text_hash = r.text_hash
WHERE p.joined_id IS NULL
ORDER BY p.tenant_id, p.source_id, p.text_hash, p.number, p.event_id
LIMIT ${PARTS_MAX + 1}`,
};
const CHOOSE: Statement = {
  name: 'part_choose',
  text: `UPDATE events.message_part p SET joined_id = c.joined_id
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS c (tenant_id, event_id, joined_id)
         WHERE p.tenant_id = c.tenant_id AND p.event_id = c.event_id AND p.joined_id IS NULL`,
};
const CHOSEN: Statement = {
  name: 'part_chosen',
  text: `
WITH c AS MATERIALIZED (
  SELECT DISTINCT tenant_id, joined_id FROM events.message_part
  WHERE joined_id IS NOT NULL AND (tenant_id, joined_id) > ($1::uuid, $2::uuid)
  ORDER BY tenant_id, joined_id LIMIT ${TEXTS_MAX}
)
SELECT p.joined_id, p.total, ${LOG_COLUMNS}
FROM c JOIN events.message_part p ON p.tenant_id = c.tenant_id AND p.joined_id = c.joined_id
JOIN events.event_log e ON e.tenant_id = p.tenant_id AND e.event_id = p.event_id
ORDER BY p.tenant_id, p.joined_id, p.number`,
};
const HOLD: Statement = {
  name: 'part_hold',
  text: `SELECT event_id FROM events.message_part WHERE tenant_id = $1 AND joined_id = $2 ORDER BY event_id FOR UPDATE`,
};
/** In a statement of its own: what was ordered before the locks were got is seen. */
const ERASED: Statement = {
  name: 'part_erased',
  text: `SELECT 1 FROM events.erasure WHERE tenant_id = $1 AND through >= $2 AND $3::bytea = ANY (person_hashes) LIMIT 1`,
};
const DONE: Statement = {
  name: 'part_done',
  text: `DELETE FROM events.message_part WHERE tenant_id = $1 AND joined_id = $2`,
};

/** Notes parts of texts. Within the transaction that moves their lane's cursor past them. */
export async function addParts(tx: Pick<Tx, 'query'>, events: readonly LoggedEvent[]): Promise<void> {
  const places = events.map((event) => partOf(event)!);
  await tx.query(ADD, [
    uuidArray(events.map(({ tenantId }) => tenantId)),
    uuidArray(events.map(({ eventId }) => eventId)),
    uuidArray(events.map(({ sourceId }) => sourceId)),
    byteaArray(places.map(({ textHash }) => textHash)),
    int2Array(places.map(({ number }) => number)),
    int2Array(places.map(({ total }) => total)),
    byteaArray(events.map(({ personHash }) => personHash)),
    textArray(events.map(({ occurredAtMs }) => String(occurredAtMs))),
    textArray(events.map(({ receivedAtMs }) => String(receivedAtMs))),
  ]);
}

/** Parts of texts that wait for the others. */
export class PartStore {
  /** All parts of texts that can be put together; nobody else chooses until the transaction ends. */
  async ripe(tx: Tx, nowMs: number): Promise<WaitingPart[]> {
    await tx.query(LOCK, [CHOOSING_LOCK]);
    const { rows } = await tx.query<Row>(RIPE, [nowMs - CONCAT_WAIT_MS]);
    const parts = rows.map(partOfRow);
    if (parts.length <= PARTS_MAX) return parts;
    // The last text may be cut off: it comes next, unless it is the only one.
    const last = parts.at(-1)!;
    const whole = parts.filter((part) => !isOfSameText(part, last));
    return whole.length > 0 ? whole : parts;
  }

  /** Settles which parts become which event: a crash changes nothing of it any more. */
  async choose(tx: Tx, texts: readonly ChosenText[]): Promise<void> {
    const chosen = texts.flatMap(({ parts, joinedId }) => parts.map((part) => ({ part, joinedId })));
    await tx.query(CHOOSE, [
      uuidArray(chosen.map(({ part }) => part.tenantId)),
      uuidArray(chosen.map(({ part }) => part.eventId)),
      uuidArray(chosen.map(({ joinedId }) => joinedId)),
    ]);
  }

  /** A page of chosen texts. @param after the last of the page before. */
  async chosen(
    db: Db,
    after: Pick<ChosenText, 'tenantId' | 'joinedId'> | undefined,
  ): Promise<{ texts: JoinableText[]; hasMore: boolean }> {
    const place = [after?.tenantId ?? NO_ID, after?.joinedId ?? NO_ID].map(uuidText);
    const { rows } = await db.query<LogRow & { joined_id: string; total: number }>(CHOSEN, place);
    const texts: (JoinableText & { readonly parts: LoggedEvent[] })[] = [];
    for (const row of rows) {
      const [event, joinedId] = [loggedEvent(row), uuidBytes(row.joined_id)];
      const last = texts.at(-1);
      if (last?.joinedId.equals(joinedId) === true) last.parts.push(event);
      else texts.push({ tenantId: event.tenantId, joinedId, total: row.total, parts: [event] });
    }
    return { texts, hasMore: texts.length === TEXTS_MAX };
  }

  /**
   * Locks its parts: whoever erases the person from now on waits.
   * @returns whether it may be put together: its parts are still there, and its words are not to be gone.
   */
  async hold(tx: Tx, { tenantId, joinedId, parts }: JoinableText): Promise<boolean> {
    const name = [uuidText(tenantId), uuidText(joinedId)];
    const held = await tx.query(HOLD, name);
    if (held.rows.length === 0) return false;
    const { personHash } = parts[0]!;
    if (personHash === undefined) return true;
    return (await tx.query(ERASED, [...name, personHash])).rows.length === 0;
  }

  async done(tx: Tx, { tenantId, joinedId }: Pick<ChosenText, 'tenantId' | 'joinedId'>): Promise<void> {
    await tx.query(DONE, [uuidText(tenantId), uuidText(joinedId)]);
  }
}

const NO_ID = Buffer.alloc(16);

const partOfRow = (row: Row): WaitingPart => ({
  tenantId: uuidBytes(row.tenant_id),
  eventId: uuidBytes(row.event_id),
  sourceId: uuidBytes(row.source_id),
  textHash: row.text_hash,
  number: row.number,
  total: row.total,
  occurredAtMs: row.occurred_ms,
  receivedAtMs: row.received_ms,
  waitsSinceMs: row.waits_since,
});

const isOfSameText = (a: WaitingPart, b: WaitingPart): boolean =>
  a.tenantId.equals(b.tenantId) && a.sourceId.equals(b.sourceId) && a.textHash.equals(b.textHash);
