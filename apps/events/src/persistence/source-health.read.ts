import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { REFUSAL_AGE_MS_MAX } from '../domain/refusal.js';
import { RATE_WINDOW_HOURS } from '../domain/source-tally.js';

/** How a source does. IDs are UUID texts; times Unix milliseconds, 0 = never. */
export interface SourceHealth {
  readonly firstEventAtMs: number;
  readonly lastEventAtMs: number;
  readonly stored: bigint;
  readonly duplicate: bigint;
  readonly unrecognized: bigint;
  readonly unauthentic: bigint;
  readonly optOuts: bigint;
  readonly secretId: string | undefined;
  readonly secretAtMs: number;
  readonly quarantined: number;
  readonly parked: number;
  readonly refusalsKept: number;
  readonly lastRefusalAtMs: number;
  /** Requests, of the last RATE_WINDOW_HOURS. */
  readonly authentic: bigint;
}

/** What waits is counted up to here: more says nothing more. */
const COUNT_MAX = 1_000;
const LANES_LAST = 63;

const GET: Statement = {
  name: 'source_health',
  text: `
SELECT date_part('epoch', t.first_event_at) * 1000 AS first, date_part('epoch', t.last_event_at) * 1000 AS last,
  COALESCE(t.stored, 0) AS stored, COALESCE(t.duplicate, 0) AS duplicate, COALESCE(t.unrecognized, 0) AS unrecognized,
  COALESCE(t.unauthentic, 0) AS unauthentic, COALESCE(t.opt_outs, 0) AS opt_outs, t.secret_id,
  date_part('epoch', t.secret_at) * 1000 AS secret_at,
  (SELECT count(*)::int4 FROM (
    SELECT FROM events.quarantine q JOIN events.event_log l ON l.tenant_id = q.tenant_id AND l.event_id = q.event_id
    WHERE q.tenant_id = $1 AND l.source_id = $2 LIMIT ${COUNT_MAX}) q) AS quarantined,
  (SELECT count(*)::int4 FROM (
    SELECT FROM generate_series(0, ${LANES_LAST}) AS s (shard) CROSS JOIN LATERAL (
      SELECT FROM events.parked p WHERE p.shard = s.shard AND p.source_id = $2 AND p.tenant_id = $1 LIMIT ${COUNT_MAX}
    ) p LIMIT ${COUNT_MAX}) p) AS parked,
  r.kept, date_part('epoch', r.last) * 1000 AS last_refusal,
  (SELECT COALESCE(sum(h.authentic), 0)::int8 FROM events.source_hour h WHERE h.tenant_id = $1 AND h.source_id = $2
    AND h.hour > date_part('epoch', clock_timestamp()) / 3600 - ${RATE_WINDOW_HOURS}) AS authentic
FROM (SELECT) AS always
LEFT JOIN events.source_tally t ON t.tenant_id = $1 AND t.source_id = $2
CROSS JOIN LATERAL (
  SELECT (count(*) FILTER (WHERE state = 'kept'))::int4 AS kept, max(received_at) AS last FROM (
    SELECT state, received_at FROM events.refusal WHERE tenant_id = $1 AND source_id = $2
      AND received_at > clock_timestamp() - interval '${REFUSAL_AGE_MS_MAX} ms'
    ORDER BY received_at DESC LIMIT ${COUNT_MAX}
  ) r
) r`,
};

interface Row {
  first: number | null;
  last: number | null;
  stored: string;
  duplicate: string;
  unrecognized: string;
  unauthentic: string;
  opt_outs: string;
  secret_id: string | null;
  secret_at: number | null;
  quarantined: number;
  parked: number;
  kept: number;
  last_refusal: number | null;
  authentic: string;
}

/** Reads one source's health; every transaction must have its tenant set. */
export class SourceHealthRead {
  async get(tx: Tx, tenantId: string, sourceId: string): Promise<SourceHealth> {
    const { rows } = await tx.query<Row>(GET, [tenantId, sourceId]);
    const row = rows[0]!;
    return {
      firstEventAtMs: row.first ?? 0,
      lastEventAtMs: row.last ?? 0,
      stored: BigInt(row.stored),
      duplicate: BigInt(row.duplicate),
      unrecognized: BigInt(row.unrecognized),
      unauthentic: BigInt(row.unauthentic),
      optOuts: BigInt(row.opt_outs),
      secretId: row.secret_id ?? undefined,
      secretAtMs: row.secret_at ?? 0,
      quarantined: row.quarantined,
      parked: row.parked,
      refusalsKept: row.kept,
      lastRefusalAtMs: row.last_refusal ?? 0,
      authentic: BigInt(row.authentic),
    };
  }
}
