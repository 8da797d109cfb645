import type { Statement, Tx } from '@posthorn/postgres/database.js';

/** What was not understood, as the API shows it. IDs are UUID texts; times Unix milliseconds. */
export interface DriftView {
  readonly provider: string;
  readonly kind: string;
  readonly reason: string;
  readonly count: bigint;
  readonly firstSeenAtMs: number;
  readonly lastSeenAtMs: number;
  readonly firstEventId: string;
  readonly lastEventId: string;
}

/** The kinds of a tenant are bounded where they are counted, so a page is a slice of them. */
const LIST: Statement = {
  name: 'drift_list',
  text: `SELECT provider, kind, reason, count, date_part('epoch', first_seen_at) * 1000 AS first,
           date_part('epoch', last_seen_at) * 1000 AS last, first_event_id, last_event_id
         FROM events.drift WHERE tenant_id = $1 AND ($2::text = '' OR provider = $2)
         ORDER BY first_seen_at DESC, provider, kind, reason LIMIT $3::int OFFSET $4::int`,
};

/** Reads schema drift of one tenant; every transaction must have that tenant set. */
export class DriftRead {
  /** The newest first seen first. @param provider empty = any. @param offset rows of the pages before. */
  async list(
    tx: Tx,
    tenantId: string,
    provider: string,
    offset: number,
    limit: number,
  ): Promise<{ items: DriftView[]; next: number | undefined }> {
    const { rows } = await tx.query<{
      provider: string;
      kind: string;
      reason: string;
      count: string;
      first: number;
      last: number;
      first_event_id: string;
      last_event_id: string;
    }>(LIST, [tenantId, provider, limit + 1, offset]);
    const items = rows.slice(0, limit).map((row) => ({
      provider: row.provider,
      kind: row.kind,
      reason: row.reason,
      count: BigInt(row.count),
      firstSeenAtMs: row.first,
      lastSeenAtMs: row.last,
      firstEventId: row.first_event_id,
      lastEventId: row.last_event_id,
    }));
    return { items, next: rows.length > limit ? offset + limit : undefined };
  }
}
