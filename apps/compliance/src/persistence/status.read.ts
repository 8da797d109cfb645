import type { Statement, Tx } from '@posthorn/postgres/database.js';

/** What is stored and not written, or not told to the log yet, for all tenants. */
export interface ConsentStatus {
  /** Opt-outs and dead addresses; counted up to a bound. */
  readonly pending: number;
  /** Unix milliseconds; undefined = none. */
  readonly pendingSinceMs: number | undefined;
  /** Events that the log does not have yet. */
  readonly untold: number;
}

/** More say nothing more. */
export const PENDING_COUNT_MAX = 10_000;

const READ: Statement = {
  name: 'consent_status',
  text: `
SELECT p.*, (SELECT value FROM compliance.outgoing_counter WHERE name = 'numbered')
  - (SELECT value FROM compliance.outgoing_counter WHERE name = 'relayed') AS untold
FROM (
  SELECT count(*)::int4 AS pending, date_part('epoch', min(stored_at)) * 1000 AS since
  FROM (SELECT stored_at FROM compliance.pending_signal ORDER BY stored_at LIMIT ${PENDING_COUNT_MAX}) p
) p`,
};

/** What rates are made of. */
export const CONSENT_COUNTERS: Statement = {
  name: 'consent_counters',
  text: `SELECT sum(fact_sequence) AS facts FROM compliance.shard`,
};

/** Reads where consent stands, over all tenants. */
export class StatusRead {
  async consent(tx: Pick<Tx, 'query'>): Promise<ConsentStatus> {
    const { rows } = await tx.query<{ pending: number; since: number | null; untold: string }>(READ);
    const { pending, since, untold } = rows[0]!;
    return { pending, pendingSinceMs: since ?? undefined, untold: Number(untold) };
  }
}
