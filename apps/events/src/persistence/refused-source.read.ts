import type { Statement } from '@posthorn/postgres/database.js';
import type { RefusedSource } from '../domain/failing-source.js';
import { REFUSAL_AGE_MS_MAX } from '../domain/refusal.js';
import type { KeeperDatabase } from './databases.js';

/** Refusals of one source are counted up to here: more says nothing more. */
const COUNT_MAX = 1_000;
const UUID_MIN = '00000000-0000-0000-0000-000000000000';

/**
 * The last authentic request is told by `authentic_at`; versions of before wrote `secret_at` alone, which not every scheme
 * has, and `last_event_at`, which tells it where nothing was let in unproven.
 */
const PAGE: Statement = {
  name: 'refused_sources',
  text: `
SELECT s.tenant_id::text AS tenant_id, s.source_id::text AS source_id,
  round(date_part('epoch', a.authentic) * 1000) AS authentic, r.refused,
  round(date_part('epoch', r.first) * 1000) AS first,
  (SELECT l.cause FROM events.refusal l WHERE l.tenant_id = s.tenant_id AND l.source_id = s.source_id
    AND l.received_at >= r.first AND l.state = 'kept' ORDER BY l.received_at DESC, l.position DESC LIMIT 1) AS cause
FROM (
  SELECT DISTINCT tenant_id, source_id FROM events.refusal_budget
  WHERE (tenant_id, source_id) > ($1::uuid, $2::uuid) ORDER BY tenant_id, source_id LIMIT $3::int
) s
LEFT JOIN events.source_tally t ON t.tenant_id = s.tenant_id AND t.source_id = s.source_id
CROSS JOIN LATERAL (
  SELECT COALESCE(GREATEST(t.authentic_at, t.secret_at), CASE WHEN t.unauthentic = 0 THEN t.last_event_at END) AS authentic
) a
CROSS JOIN LATERAL (
  SELECT count(*)::int4 AS refused, min(received_at) AS first FROM (
    SELECT k.received_at FROM events.refusal k WHERE k.tenant_id = s.tenant_id AND k.source_id = s.source_id
      AND k.state = 'kept' AND k.received_at > GREATEST(a.authentic, to_timestamp($4::float8 / 1000))
    ORDER BY k.received_at LIMIT ${COUNT_MAX}
  ) k
) r
ORDER BY s.tenant_id, s.source_id`,
};

interface Row {
  tenant_id: string;
  source_id: string;
  authentic: number | null;
  refused: number;
  first: number | null;
  cause: string | null;
}

/** Reads of all tenants which sources had requests refused, and what came since the last authentic one. */
export class RefusedSourceRead {
  constructor(private readonly db: Pick<KeeperDatabase, 'query'>) {}

  /** In the order of their IDs. @param after the last one of the page before. @returns at most `limit`. */
  async page(
    after: Pick<RefusedSource, 'tenantId' | 'sourceId'> | undefined,
    limit: number,
    nowMs: number,
  ): Promise<RefusedSource[]> {
    const { tenantId, sourceId } = after ?? { tenantId: UUID_MIN, sourceId: UUID_MIN };
    const { rows } = await this.db.query<Row>(PAGE, [tenantId, sourceId, limit, nowMs - REFUSAL_AGE_MS_MAX]);
    return rows.map((row) => ({
      tenantId: row.tenant_id,
      sourceId: row.source_id,
      lastAuthenticAtMs: row.authentic ?? 0,
      refused: row.refused,
      firstRefusedAtMs: row.first ?? 0,
      lastCause: row.cause ?? '',
    }));
  }
}
