import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { REFUSAL_AGE_MS_MAX } from '../domain/refusal.js';
import type { Page } from './event.read.js';

/** A refused request as the API shows it: never its body. IDs are UUID texts; times Unix milliseconds. */
export interface RefusalView {
  readonly requestId: string;
  readonly sourceId: string;
  readonly provider: string;
  readonly receivedAtMs: number;
  readonly cause: string;
  readonly headers: string[];
  readonly sizeBytes: number;
  readonly state: string;
  /** 0 = never. */
  readonly judgedAtMs: number;
}

interface Row {
  request_id: string;
  source_id: string;
  provider: string;
  received: number;
  cause: string;
  headers: string[];
  size_bytes: number;
  state: string;
  judged: number | null;
}

const IS_KEPT = `received_at > clock_timestamp() - interval '${REFUSAL_AGE_MS_MAX} ms'`;

const LIST: Statement = {
  name: 'refusal_list',
  text: `SELECT request_id, source_id, provider, date_part('epoch', received_at) * 1000 AS received, cause, headers,
           size_bytes, state, date_part('epoch', judged_at) * 1000 AS judged
         FROM events.refusal
         WHERE tenant_id = $1 AND request_id < $2 AND ($3::text = '' OR source_id::text = $3) AND ${IS_KEPT}
         ORDER BY request_id DESC LIMIT $4::int`,
};
const ASK: Statement = {
  name: 'reverification_ask',
  text: `INSERT INTO events.reverification (tenant_id, source_id, asked_at) VALUES ($1, $2, clock_timestamp())
         ON CONFLICT (tenant_id, source_id) DO UPDATE SET asked_at = excluded.asked_at`,
};
const KEPT: Statement = {
  name: 'refusal_kept',
  text: `SELECT count(*)::int4 AS kept FROM events.refusal
         WHERE tenant_id = $1 AND source_id = $2 AND state = 'kept' AND ${IS_KEPT}`,
};
const UUID_MAX = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** What a tenant sees and asks of its refusals; every transaction must have that tenant set. */
export class RefusalRead {
  /** Newest first. @param sourceId empty = any. @param after the last ID of the page before. */
  async list(
    tx: Tx,
    tenantId: string,
    sourceId: string,
    after: string | undefined,
    limit: number,
  ): Promise<Page<RefusalView>> {
    const { rows } = await tx.query<Row>(LIST, [tenantId, after ?? UUID_MAX, sourceId, limit + 1]);
    const items = rows.slice(0, limit).map(viewOf);
    return { items, next: rows.length > limit ? items.at(-1)!.requestId : undefined };
  }

  /** Has a source's refusals judged again. @returns how many are kept. */
  async ask(tx: Tx, tenantId: string, sourceId: string): Promise<number> {
    await tx.query(ASK, [tenantId, sourceId]);
    const { rows } = await tx.query<{ kept: number }>(KEPT, [tenantId, sourceId]);
    return rows[0]!.kept;
  }
}

const viewOf = (row: Row): RefusalView => ({
  requestId: row.request_id,
  sourceId: row.source_id,
  provider: row.provider,
  receivedAtMs: row.received,
  cause: row.cause,
  headers: row.headers,
  sizeBytes: row.size_bytes,
  state: row.state,
  judgedAtMs: row.judged ?? 0,
});
