import type { Statement, Tx } from '@posthorn/postgres/database.js';

/** A field that differs, as the API shows it. The ID is a UUID text; times Unix milliseconds. */
export interface DriftFieldView {
  readonly provider: string;
  readonly kind: string;
  readonly path: string;
  readonly change: string;
  readonly type: string;
  readonly count: bigint;
  readonly firstSeenAtMs: number;
  readonly lastSeenAtMs: number;
  readonly firstEventId: string;
}

/** Which fields; empty = every one. */
export interface DriftFieldFilter {
  readonly provider: string;
  readonly kind: string;
  readonly change: string;
}

const LIST: Statement = {
  name: 'drift_field_list',
  text: `SELECT provider, kind, path, change, type, count, date_part('epoch', first_seen_at) * 1000 AS first,
           date_part('epoch', last_seen_at) * 1000 AS last, first_event_id
         FROM events.drift_field WHERE tenant_id = $1 AND ($2::text = '' OR provider = $2)
           AND ($3::text = '' OR kind = $3) AND ($4::text = '' OR change = $4)
         ORDER BY first_seen_at DESC, provider, kind, path, change, type LIMIT $5::int OFFSET $6::int`,
};

/** Reads changed fields of one tenant; every transaction must have that tenant set. */
export class DriftFieldRead {
  /** The newest first seen first. @param offset rows of the pages before. */
  async list(
    tx: Tx,
    tenantId: string,
    { provider, kind, change }: DriftFieldFilter,
    offset: number,
    limit: number,
  ): Promise<{ items: DriftFieldView[]; next: number | undefined }> {
    const { rows } = await tx.query<{
      provider: string;
      kind: string;
      path: string;
      change: string;
      type: string;
      count: string;
      first: number;
      last: number;
      first_event_id: string;
    }>(LIST, [tenantId, provider, kind, change, limit + 1, offset]);
    const items = rows
      .slice(0, limit)
      .map(({ count, first, last, first_event_id: firstEventId, ...row }) => ({
        ...row,
        count: BigInt(count),
        firstSeenAtMs: first,
        lastSeenAtMs: last,
        firstEventId,
      }));
    return { items, next: rows.length > limit ? offset + limit : undefined };
  }
}
