import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { RATE_WINDOW_HOURS, type SourceTally } from '../domain/source-tally.js';
import { int4Array, int8Array, timeArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** In the order of the key, so that two processes cannot deadlock. */
const ADD: Statement = {
  name: 'source_tally_add',
  text: `
INSERT INTO events.source_tally AS t (tenant_id, source_id, first_event_at, last_event_at, stored, duplicate,
  unrecognized, unauthentic, opt_outs, secret_id, secret_at, authentic_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::int8[], $6::int8[],
  $7::int8[], $8::int8[], $9::int8[], $10::uuid[], $11::timestamptz[], $12::timestamptz[]) AS n (tenant_id, source_id)
ORDER BY tenant_id, source_id
ON CONFLICT (tenant_id, source_id) DO UPDATE SET
  first_event_at = LEAST(t.first_event_at, excluded.first_event_at),
  last_event_at = GREATEST(t.last_event_at, excluded.last_event_at),
  stored = t.stored + excluded.stored, duplicate = t.duplicate + excluded.duplicate,
  unrecognized = t.unrecognized + excluded.unrecognized, unauthentic = t.unauthentic + excluded.unauthentic,
  opt_outs = t.opt_outs + excluded.opt_outs,
  secret_id = CASE WHEN t.secret_at IS NULL OR excluded.secret_at >= t.secret_at THEN excluded.secret_id
    ELSE t.secret_id END,
  secret_at = GREATEST(t.secret_at, excluded.secret_at),
  authentic_at = GREATEST(t.authentic_at, excluded.authentic_at)`,
};

const ADD_HOURS: Statement = {
  name: 'source_hour_add',
  text: `
INSERT INTO events.source_hour AS h (tenant_id, source_id, hour, authentic)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::int8[]) AS n (tenant_id, source_id, hour, authentic)
ORDER BY tenant_id, source_id, hour
ON CONFLICT (tenant_id, source_id, hour) DO UPDATE SET authentic = h.authentic + excluded.authentic`,
};
const FORGET_HOURS: Statement = {
  name: 'source_hour_forget',
  text: `DELETE FROM events.source_hour h USING (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[])) AS s (tenant_id, source_id)
         WHERE h.tenant_id = s.tenant_id AND h.source_id = s.source_id
           AND h.hour < date_part('epoch', clock_timestamp()) / 3600 - ${RATE_WINDOW_HOURS + 1}`,
};

/** What intake did for each source. */
export class SourceTallyStore {
  /** @param tallies each source once. */
  async add(tx: Pick<Tx, 'query'>, tallies: readonly SourceTally[]): Promise<void> {
    await tx.query(ADD, [
      uuidArray(tallies.map(({ tenantId }) => tenantId)),
      uuidArray(tallies.map(({ sourceId }) => sourceId)),
      timeArray(tallies.map(({ firstEventAtMs }) => firstEventAtMs)),
      timeArray(tallies.map(({ lastEventAtMs }) => lastEventAtMs)),
      int8Array(tallies.map(({ stored }) => BigInt(stored))),
      int8Array(tallies.map(({ duplicate }) => BigInt(duplicate))),
      int8Array(tallies.map(({ unrecognized }) => BigInt(unrecognized))),
      int8Array(tallies.map(({ unauthentic }) => BigInt(unauthentic))),
      int8Array(tallies.map(({ optOuts }) => BigInt(optOuts))),
      uuidArray(tallies.map(({ secretId }) => secretId)),
      timeArray(tallies.map(({ secretAtMs }) => secretAtMs)),
      timeArray(tallies.map(({ authenticAtMs }) => authenticAtMs)),
    ]);
    await this.addHours(tx, tallies);
  }

  private async addHours(tx: Pick<Tx, 'query'>, tallies: readonly SourceTally[]): Promise<void> {
    const hours = tallies.flatMap(({ tenantId, sourceId, authenticByHour }) =>
      [...authenticByHour].map(([hour, authentic]) => ({ tenantId, sourceId, hour, authentic })),
    );
    if (hours.length === 0) return;
    const sources = [
      uuidArray(hours.map(({ tenantId }) => tenantId)),
      uuidArray(hours.map(({ sourceId }) => sourceId)),
    ];
    await tx.query(ADD_HOURS, [
      ...sources,
      int4Array(hours.map(({ hour }) => hour)),
      int8Array(hours.map(({ authentic }) => BigInt(authentic))),
    ]);
    await tx.query(FORGET_HOURS, sources);
  }
}
