import type { Tx } from '@posthorn/postgres/database.js';
import type { KeptProof, RecordPlace } from '../domain/record-seals.js';
import { CLEAR_RECORDS } from './clear-records.sql.js';

/** Counted of each place; more are not told apart. */
const COUNTED_MAX = 1_000;

/** A row with something in the clear; IDs are UUID texts. */
export interface ClearRecord {
  readonly tenantId: string;
  readonly rowId: string;
  /** Of a proof the whole of it. */
  readonly kept: string | KeptProof;
}

const statementsOf = (place: RecordPlace) => {
  const { table, id, column, isClear } = CLEAR_RECORDS[place];
  const given = place === 'proof' ? 'given.kept::jsonb' : 'given.kept';
  return {
    claim: {
      name: `claim_clear_${place}`,
      text: `SELECT tenant_id AS "tenantId", ${id} AS "rowId", ${column} AS kept FROM compliance.${table}
             WHERE tenant_id = ANY ($1::uuid[]) AND ${isClear} LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`,
    },
    replace: {
      name: `seal_${place}`,
      text: `UPDATE compliance.${table} AS row SET ${column} = ${given}
             FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS given (tenant_id, id, kept)
             WHERE row.tenant_id = given.tenant_id AND row.${id} = given.id`,
    },
    count: `(SELECT count(*) FROM (SELECT FROM compliance.${table} WHERE ${isClear} LIMIT ${COUNTED_MAX}) AS clear)`,
  };
};
const STATEMENTS = {
  proof: statementsOf('proof'),
  signal_note: statementsOf('signal_note'),
  lift_reason: statementsOf('lift_reason'),
  review_note: statementsOf('review_note'),
} satisfies Readonly<Record<RecordPlace, unknown>>;
const COUNT = `SELECT (${Object.values(STATEMENTS)
  .map(({ count }) => count)
  .join(' + ')})::int AS count`;

/** Consent records that stand in the clear: written before their tenant had a key, or by a version that seals nothing. */
export class ClearRecordStore {
  /** Some of these tenants', held until the transaction ends; those that others hold are left out. */
  async claim(
    tx: Tx,
    place: RecordPlace,
    tenantIds: readonly string[],
    limit: number,
  ): Promise<ClearRecord[]> {
    return (await tx.query<ClearRecord>(STATEMENTS[place].claim, [tenantIds, limit])).rows;
  }

  /** Keeps these as they are given. */
  async replace(tx: Tx, place: RecordPlace, records: readonly ClearRecord[]): Promise<void> {
    await tx.query(STATEMENTS[place].replace, [
      records.map(({ tenantId }) => tenantId),
      records.map(({ rowId }) => rowId),
      records.map(({ kept }) => (typeof kept === 'string' ? kept : JSON.stringify(kept))),
    ]);
  }

  /** How many there are, of any tenant, as far as they are counted. */
  async count(db: Pick<Tx, 'query'>): Promise<number> {
    return (await db.query<{ count: number }>({ name: 'count_clear', text: COUNT })).rows[0]!.count;
  }
}
