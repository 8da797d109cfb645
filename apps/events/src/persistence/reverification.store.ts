import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import type { Refusal, Settlement } from '../domain/refusal.js';
import { textArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** A source whose refusals are to be judged again, locked. IDs are UUID texts. */
export interface AskedSource {
  readonly tenantId: string;
  readonly sourceId: string;
  /** Whether what was on its way when it was asked has certainly arrived. */
  readonly isRipe: boolean;
}

interface RefusalRow {
  request_id: string;
  tenant_id: string;
  source_id: string;
  provider: string;
  received: number;
  cause: string;
  headers: string[];
  data_key_id: string;
  body: Buffer;
  traceparent: string;
}

const SOURCES_MAX = 16;
/** A request that was refused before it was asked may come out of its queue later. */
const GRACE = `interval '60 s'`;

const ASKED: Statement = {
  name: 'reverification_asked',
  text: `SELECT tenant_id, source_id, asked_at < clock_timestamp() - ${GRACE} AS is_ripe
         FROM events.reverification WHERE lease_until IS NULL OR lease_until < clock_timestamp()
         ORDER BY asked_at LIMIT ${SOURCES_MAX} FOR UPDATE SKIP LOCKED`,
};
/** In the order in which they came; the first one always, the others while there is room for them. */
const WAITING: Statement = {
  name: 'reverification_waiting',
  text: `
SELECT r.request_id, r.tenant_id, r.source_id, r.provider, date_part('epoch', r.received_at) * 1000 AS received,
  r.cause, r.headers, r.data_key_id, r.body, r.traceparent
FROM (
  SELECT w.*, sum(size_bytes) OVER p AS bytes, row_number() OVER p AS place FROM (
    SELECT r.tenant_id, r.request_id, r.size_bytes, r.received_at, r.position
    FROM events.reverification v
    JOIN events.refusal r ON r.tenant_id = v.tenant_id AND r.source_id = v.source_id AND r.received_at <= v.asked_at
    WHERE v.tenant_id = $1 AND v.source_id = $2 AND r.state = 'kept'
      AND r.received_at > to_timestamp($3::float8 / 1000) AND (r.judged_at IS NULL OR r.judged_at < v.asked_at)
    ORDER BY r.received_at, r.position LIMIT $4::int
  ) w WINDOW p AS (ORDER BY received_at, position)
) w
JOIN events.refusal r ON r.tenant_id = w.tenant_id AND r.request_id = w.request_id
WHERE w.place = 1 OR w.bytes <= $5::int
ORDER BY r.received_at, r.position`,
};
const CLAIM: Statement = {
  name: 'reverification_claim',
  text: `UPDATE events.reverification SET holder = $3, claimed = $4::uuid[],
           lease_until = clock_timestamp() + $5::int * interval '1 s'
         WHERE tenant_id = $1 AND source_id = $2`,
};
const DONE: Statement = {
  name: 'reverification_done',
  text: `DELETE FROM events.reverification WHERE tenant_id = $1 AND source_id = $2`,
};
const CLAIMED: Statement = {
  name: 'reverification_claimed',
  text: `SELECT tenant_id, source_id, claimed::text[] AS claimed FROM events.reverification
         WHERE holder = $1 AND claimed && $2::uuid[] ORDER BY tenant_id, source_id FOR UPDATE`,
};
const LEFT: Statement = {
  name: 'reverification_left',
  text: `UPDATE events.reverification SET claimed = $3::uuid[],
           holder = CASE WHEN cardinality($3::uuid[]) = 0 THEN '' ELSE holder END,
           lease_until = CASE WHEN cardinality($3::uuid[]) = 0 THEN NULL ELSE lease_until END
         WHERE tenant_id = $1 AND source_id = $2`,
};
const ADMIT: Statement = {
  name: 'refusal_admit',
  text: `UPDATE events.refusal r SET state = 'admitted', judged_at = clock_timestamp(), body = NULL
         FROM unnest($1::uuid[], $2::uuid[]) AS k (tenant_id, request_id)
         WHERE r.tenant_id = k.tenant_id AND r.request_id = k.request_id AND r.state = 'kept'
         RETURNING r.tenant_id, r.source_id, r.request_id, r.size_bytes`,
};
const REFUSE: Statement = {
  name: 'refusal_refuse',
  text: `UPDATE events.refusal r SET cause = k.cause, judged_at = clock_timestamp()
         FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (tenant_id, request_id, cause)
         WHERE r.tenant_id = k.tenant_id AND r.request_id = k.request_id AND r.state = 'kept'`,
};

/** Whose refusals are judged again, and by whom just now. */
export class ReverificationStore {
  /** Sources that nobody has at the moment, the longest asked first. */
  async asked(tx: Tx): Promise<AskedSource[]> {
    const { rows } = await tx.query<{ tenant_id: string; source_id: string; is_ripe: boolean }>(ASKED);
    return rows.map((row) => ({ tenantId: row.tenant_id, sourceId: row.source_id, isRipe: row.is_ripe }));
  }

  /** What of a source is still to be judged, oldest first. @param sinceMs what came before has expired. */
  async waiting(
    tx: Tx,
    { tenantId, sourceId }: AskedSource,
    sinceMs: number,
    limit: number,
    bytesMax: number,
  ): Promise<Refusal[]> {
    const { rows } = await tx.query<RefusalRow>(WAITING, [tenantId, sourceId, sinceMs, limit, bytesMax]);
    return rows.map(refusalOf);
  }

  async claim(
    tx: Tx,
    { tenantId, sourceId }: AskedSource,
    holder: string,
    refusals: readonly Refusal[],
    leaseSeconds: number,
  ): Promise<void> {
    const ids = refusals.map(({ requestId }) => uuidText(requestId));
    await tx.query(CLAIM, [tenantId, sourceId, holder, ids, leaseSeconds]);
  }

  /** Nothing of it is left to judge. */
  async done(tx: Tx, { tenantId, sourceId }: AskedSource): Promise<void> {
    await tx.query(DONE, [tenantId, sourceId]);
  }

  /**
   * Takes requests off the holder's claims; a source of which none is left is free at once.
   * @returns those that it had claimed.
   */
  async unclaim(tx: Tx, holder: string, settlements: readonly Settlement[]): Promise<Settlement[]> {
    const byId = new Map(settlements.map((one) => [uuidText(one.requestId), one]));
    const { rows } = await tx.query<{ tenant_id: string; source_id: string; claimed: string[] }>(CLAIMED, [
      holder,
      [...byId.keys()],
    ]);
    const own: Settlement[] = [];
    for (const { tenant_id, source_id, claimed } of rows) {
      for (const requestId of claimed) {
        const settlement = byId.get(requestId);
        if (settlement !== undefined && uuidText(settlement.tenantId) === tenant_id) own.push(settlement);
      }
      const left = claimed.filter((requestId) => !byId.has(requestId));
      await tx.query(LEFT, [tenant_id, source_id, left]);
    }
    return own;
  }

  /** They are in the log: their bodies go. @returns what their sources get back. */
  async admit(tx: Tx, admitted: readonly Settlement[]) {
    if (admitted.length === 0) return [];
    const { rows } = await tx.query<{
      tenant_id: string;
      source_id: string;
      request_id: string;
      size_bytes: number;
    }>(ADMIT, nameColumns(admitted));
    return rows.map((row) => ({
      tenantId: uuidBytes(row.tenant_id),
      sourceId: uuidBytes(row.source_id),
      requestId: uuidBytes(row.request_id),
      bytes: row.size_bytes,
    }));
  }

  async refuse(tx: Tx, refused: readonly Settlement[]): Promise<void> {
    if (refused.length === 0) return;
    await tx.query(REFUSE, [...nameColumns(refused), textArray(refused.map(({ cause }) => cause))]);
  }
}

const nameColumns = (settlements: readonly Settlement[]): Buffer[] => [
  uuidArray(settlements.map(({ tenantId }) => tenantId)),
  uuidArray(settlements.map(({ requestId }) => requestId)),
];

const refusalOf = (row: RefusalRow): Refusal => ({
  requestId: uuidBytes(row.request_id),
  tenantId: uuidBytes(row.tenant_id),
  sourceId: uuidBytes(row.source_id),
  provider: row.provider,
  receivedAtMs: row.received,
  cause: row.cause,
  headers: row.headers,
  dataKeyId: uuidBytes(row.data_key_id),
  raw: row.body,
  traceparent: row.traceparent,
});
