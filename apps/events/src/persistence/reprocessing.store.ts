import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Database, Statement, Tx } from '@posthorn/postgres/database.js';
import type { HeldReprocessing } from '../domain/reprocessing.js';
import { byteaArray } from '@posthorn/postgres/pg-arrays.js';

type Db = Pick<Database, 'query'>;
type Name = Pick<HeldReprocessing, 'tenantId' | 'reprocessingId'>;

interface TakenRow {
  tenant_id: string;
  reprocessing_id: string;
  source_id: string | null;
  provider: string;
  kind: string;
  from_ms: number;
  to_ms: number;
  cursor: string;
  before: string;
  tries: number;
  looked_at: string;
  event_ids: string[] | null;
}

/** In turns: the one that had none for longest. */
const TAKE: Statement = {
  name: 'reprocessing_take',
  text: `
WITH free AS MATERIALIZED (
  SELECT tenant_id, reprocessing_id FROM events.reprocessing
  WHERE completed_at IS NULL AND (lease_until IS NULL OR lease_until < clock_timestamp())
  ORDER BY lease_until NULLS FIRST, stored_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE events.reprocessing r SET holder = $1, lease_until = clock_timestamp() + $2::int * interval '1 s',
  tries = r.tries + 1, claimed = '{}', page_through = NULL
FROM free WHERE r.tenant_id = free.tenant_id AND r.reprocessing_id = free.reprocessing_id
RETURNING r.tenant_id, r.reprocessing_id, r.source_id, r.provider, r.kind, r.from_ms, r.to_ms, r.cursor, r.before,
  r.tries, r.looked_at, r.event_ids::text[] AS event_ids`,
};
const CLAIM: Statement = {
  name: 'reprocessing_claim',
  text: `UPDATE events.reprocessing SET claimed = $4::uuid[], page_through = $5::uuid
         WHERE tenant_id = $1 AND reprocessing_id = $2 AND holder = $3 AND lease_until > clock_timestamp()`,
};
const CLAIMED: Statement = {
  name: 'reprocessing_claimed',
  text: `SELECT claimed::text[] AS claimed, page_through, looked_at, tries FROM events.reprocessing
         WHERE tenant_id = $1 AND reprocessing_id = $2 AND holder = $3 AND page_through IS NOT NULL FOR UPDATE`,
};
const UNDERSTOOD: Statement = {
  name: 'reprocessed_add',
  // What was projected, a schema had set aside: nobody has to look at it any more.
  text: `WITH gone AS (
           DELETE FROM events.quarantine q WHERE q.tenant_id = $1 AND q.event_id = ANY ($3::uuid[]) AND EXISTS (
             SELECT FROM events.transition t WHERE t.tenant_id = q.tenant_id AND t.event_id = q.event_id)
         )
         INSERT INTO events.reprocessed (tenant_id, event_id, reprocessing_id)
         SELECT $1, event_id, $2 FROM unnest($3::uuid[]) AS k (event_id) ORDER BY event_id ON CONFLICT DO NOTHING`,
};
const MOVE: Statement = {
  name: 'reprocessing_move',
  text: `UPDATE events.reprocessing SET cursor = $4::uuid, looked_at = looked_at + $5::int, understood = understood + $6::int,
           tries = 0, claimed = '{}', page_through = NULL, holder = '', lease_until = clock_timestamp(),
           has_more = $7::bool, completed_at = CASE WHEN $8::bool THEN clock_timestamp() END
         WHERE tenant_id = $1 AND reprocessing_id = $2 AND holder = $3`,
};
const REST: Statement = {
  name: 'reprocessing_rest',
  text: `UPDATE events.reprocessing SET claimed = '{}', page_through = NULL, holder = '',
           lease_until = clock_timestamp() + $4::int * interval '1 millisecond'
         WHERE tenant_id = $1 AND reprocessing_id = $2 AND holder = $3`,
};
const ORIGINALS: Statement = {
  name: 'reprocessing_key_holders',
  text: `SELECT k.ordinal::int4 AS ordinal, l.event_id
         FROM unnest($3::bytea[]) WITH ORDINALITY AS k (dedup_hash, ordinal)
         JOIN events.dedup d ON d.tenant_id = $1 AND d.source_id = $2 AND d.dedup_hash = k.dedup_hash
         JOIN events.event_log l ON l.tenant_id = $1 AND l.event_id = d.event_id
         WHERE l.type = 'event.unrecognized'`,
};
/** Who was asked to be erased after that. */
const ERASED: Statement = {
  name: 'reprocessing_erased',
  text: `SELECT DISTINCT h.hash FROM events.erasure e CROSS JOIN LATERAL unnest(e.person_hashes) AS h (hash)
         WHERE e.tenant_id = $1 AND e.person_hashes && $2::bytea[] AND e.through > $3::uuid AND h.hash = ANY ($2::bytea[])`,
};
/** They have looked at this part of the log already: what stands there now was added since. */
const ERASE_AGAIN: Statement = {
  name: 'reprocessing_erase_again',
  text: `UPDATE events.erasure SET done_through = '00000000-0000-0000-0000-000000000000', messages_through = NULL,
           completed_at = NULL
         WHERE tenant_id = $1 AND person_hashes && $2::bytea[] AND through > $3::uuid`,
};

/** A page at one caller. */
export interface ClaimedPage {
  /** UUID texts of its events. */
  readonly claimed: readonly string[];
  readonly through: string;
  /** Before this page. */
  readonly lookedAt: number;
  readonly tries: number;
}

/** How far each reprocessing is, and who has it. */
export class ReprocessingStore {
  /** One that nobody has, for so long; undefined when there is none. */
  async take(db: Db, holder: string, leaseSeconds: number): Promise<HeldReprocessing | undefined> {
    const row = (await db.query<TakenRow>(TAKE, [holder, leaseSeconds])).rows[0];
    if (row === undefined) return undefined;
    const { source_id: sourceId, provider, kind, from_ms: fromMs, to_ms: toMs } = row;
    return {
      tenantId: row.tenant_id,
      reprocessingId: row.reprocessing_id,
      filter: { sourceId: sourceId ?? '', provider, kind, fromMs, toMs },
      cursor: row.cursor,
      before: row.before,
      tries: row.tries,
      lookedAt: Number(row.looked_at),
      eventIds: row.event_ids ?? undefined,
    };
  }

  /** Writes down what the holder is given. @returns whether it has it still. */
  async claim(
    db: Db,
    { tenantId, reprocessingId }: Name,
    holder: string,
    eventIds: readonly string[],
    through: string,
  ): Promise<boolean> {
    const { rowCount } = await db.query(CLAIM, [tenantId, reprocessingId, holder, eventIds, through]);
    return rowCount === 1;
  }

  /** The page of a holder, locked; undefined when it has none any more. */
  async claimed(
    tx: Tx,
    { tenantId, reprocessingId }: Name,
    holder: string,
  ): Promise<ClaimedPage | undefined> {
    const { rows } = await tx.query<{
      claimed: string[];
      page_through: string;
      looked_at: string;
      tries: number;
    }>(CLAIMED, [tenantId, reprocessingId, holder]);
    const row = rows[0];
    return (
      row && {
        claimed: row.claimed,
        through: row.page_through,
        lookedAt: Number(row.looked_at),
        tries: row.tries,
      }
    );
  }

  /** Says of originals that what they are is in the log. */
  async understood(tx: Tx, { tenantId, reprocessingId }: Name, eventIds: readonly string[]): Promise<void> {
    if (eventIds.length > 0) await tx.query(UNDERSTOOD, [tenantId, reprocessingId, eventIds]);
  }

  /** Goes on behind a page, and is free. @param end undefined: there is more to look at. */
  async move(
    db: Db,
    { tenantId, reprocessingId }: Name,
    holder: string,
    to: {
      readonly cursor: string;
      readonly lookedAt: number;
      readonly understood: number;
      readonly end: 'all' | 'bound' | undefined;
    },
  ): Promise<void> {
    await db.query(MOVE, [
      ...[tenantId, reprocessingId, holder, to.cursor, to.lookedAt, to.understood],
      ...[to.end === 'bound', to.end !== undefined],
    ]);
  }

  /** Is free again after a while, at the same page. */
  async rest(db: Db, { tenantId, reprocessingId }: Name, holder: string, pauseMs: number): Promise<void> {
    await db.query(REST, [tenantId, reprocessingId, holder, pauseMs]);
  }

  /** @returns for each dedup hash the event that holds it and was not understood; undefined: there is none. */
  async originals(
    db: Db,
    tenantId: Buffer,
    sourceId: Buffer,
    dedupHashes: readonly Buffer[],
  ): Promise<(Buffer | undefined)[]> {
    const found: (Buffer | undefined)[] = dedupHashes.map(() => undefined);
    if (found.length === 0) return found;
    const values = [uuidText(tenantId), uuidText(sourceId), byteaArray(dedupHashes)];
    const { rows } = await db.query<{ ordinal: number; event_id: string }>(ORIGINALS, values);
    for (const { ordinal, event_id } of rows) found[ordinal - 1] = uuidBytes(event_id);
    return found;
  }

  /** Those people who were asked to be erased after an event. @param event UUID text. */
  async erased(db: Db, tenantId: Buffer, personHashes: readonly Buffer[], event: string): Promise<Buffer[]> {
    if (personHashes.length === 0) return [];
    const values = [uuidText(tenantId), byteaArray(personHashes), event];
    return (await db.query<{ hash: Buffer }>(ERASED, values)).rows.map(({ hash }) => hash);
  }

  /** Has the erasures of these people that mean an event look at the log once more. @param event UUID text. */
  async eraseAgain(tx: Tx, tenantId: Buffer, personHashes: readonly Buffer[], event: string): Promise<void> {
    if (personHashes.length > 0)
      await tx.query(ERASE_AGAIN, [uuidText(tenantId), byteaArray(personHashes), event]);
  }
}
