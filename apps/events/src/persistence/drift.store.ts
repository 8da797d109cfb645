import type { Statement, Tx } from '@posthorn/postgres/database.js';
import type { Drift } from '../domain/drift.js';
import { int8Array, textArray, timeArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** Kinds of one tenant that are told apart: what a provider names is not ours to bound otherwise. */
const KINDS_MAX = 1_000;
const OTHER = '(other)';

/** In the order of its key, so that two projectors cannot deadlock. */
const WRITE: Statement = {
  name: 'drift_write',
  text: `
WITH d AS MATERIALIZED (
  SELECT d.*, (SELECT count(*) FROM events.drift k WHERE k.tenant_id = d.tenant_id) < ${KINDS_MAX} OR EXISTS (
    SELECT FROM events.drift k WHERE k.tenant_id = d.tenant_id AND k.provider = d.provider COLLATE "C"
      AND k.kind = d.kind COLLATE "C" AND k.reason = d.reason COLLATE "C") AS is_told
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::timestamptz[], $7::timestamptz[],
    $8::uuid[], $9::uuid[])
    AS d (tenant_id, provider, kind, reason, count, first_seen_at, last_seen_at, first_event_id, last_event_id)
)
INSERT INTO events.drift AS k (tenant_id, provider, kind, reason, count, first_seen_at, last_seen_at,
  first_event_id, last_event_id)
SELECT tenant_id, provider, CASE WHEN is_told THEN kind ELSE '${OTHER}' END, CASE WHEN is_told THEN reason ELSE '' END,
  sum(count), min(first_seen_at), max(last_seen_at), (array_agg(first_event_id ORDER BY first_seen_at))[1],
  (array_agg(last_event_id ORDER BY last_seen_at DESC))[1]
FROM d GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (tenant_id, provider, kind, reason) DO UPDATE SET count = k.count + excluded.count,
  first_seen_at = LEAST(k.first_seen_at, excluded.first_seen_at),
  last_seen_at = GREATEST(k.last_seen_at, excluded.last_seen_at), last_event_id = excluded.last_event_id`,
};

/** Counts what was not understood, in the transaction that projects it: each event once. */
export async function writeDrifts(tx: Pick<Tx, 'query'>, drifts: readonly Drift[]): Promise<void> {
  await tx.query(WRITE, [
    uuidArray(drifts.map(({ tenantId }) => tenantId)),
    textArray(drifts.map(({ provider }) => provider)),
    textArray(drifts.map(({ kind }) => kind)),
    textArray(drifts.map(({ reason }) => reason)),
    int8Array(drifts.map(({ count }) => BigInt(count))),
    timeArray(drifts.map(({ firstSeenAtMs }) => firstSeenAtMs)),
    timeArray(drifts.map(({ lastSeenAtMs }) => lastSeenAtMs)),
    uuidArray(drifts.map(({ firstEventId }) => firstEventId)),
    uuidArray(drifts.map(({ lastEventId }) => lastEventId)),
  ]);
}
