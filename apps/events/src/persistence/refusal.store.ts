import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { uuidBytes } from '@posthorn/clock/id.js';
import { dayOf, nameOfSource, weightOf, type Refusal } from '../domain/refusal.js';
import {
  byteaArray,
  int4Array,
  int8Array,
  textArray,
  timeArray,
  uuidArray,
} from '@posthorn/postgres/pg-arrays.js';

const OPEN_BUDGETS: Statement = {
  name: 'refusal_budget_open',
  text: `INSERT INTO events.refusal_budget (tenant_id, source_id, day, bytes)
         SELECT DISTINCT tenant_id, source_id, DATE '1970-01-01' + day, 0
         FROM unnest($1::uuid[], $2::uuid[], $3::int4[]) AS k (tenant_id, source_id, day)
         ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING`,
};
const LOCK_BUDGETS: Statement = {
  name: 'refusal_budget_lock',
  text: `SELECT b.tenant_id, b.source_id, b.bytes FROM events.refusal_budget b
         WHERE (b.tenant_id, b.source_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
           AND b.day >= DATE '1970-01-01' + $3::int4
         ORDER BY b.tenant_id, b.source_id, b.day FOR UPDATE`,
};
const KNOWN: Statement = {
  name: 'refusal_known',
  text: `SELECT r.request_id FROM unnest($1::uuid[], $2::uuid[]) AS k (tenant_id, request_id)
         JOIN events.refusal r ON r.tenant_id = k.tenant_id AND r.request_id = k.request_id`,
};
const ADD: Statement = {
  name: 'refusal_add',
  text: `INSERT INTO events.refusal (tenant_id, request_id, source_id, provider, received_at, cause, headers,
           traceparent, size_bytes, data_key_id, body)
         SELECT tenant_id, request_id, source_id, provider, received_at, cause,
           ARRAY(SELECT jsonb_array_elements_text(headers::jsonb)), traceparent, size_bytes, data_key_id, body
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
           $8::text[], $9::int4[], $10::uuid[], $11::bytea[]) WITH ORDINALITY
           AS r (tenant_id, request_id, source_id, provider, received_at, cause, headers, traceparent, size_bytes,
             data_key_id, body, ordinal)
         ORDER BY ordinal`,
};
const SPEND: Statement = {
  name: 'refusal_budget_spend',
  text: `UPDATE events.refusal_budget b SET bytes = GREATEST(0, b.bytes + k.bytes)
         FROM (SELECT tenant_id, source_id, DATE '1970-01-01' + day AS day, sum(bytes) AS bytes
               FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::int8[]) AS k (tenant_id, source_id, day, bytes)
               GROUP BY 1, 2, 3) k
         WHERE b.tenant_id = k.tenant_id AND b.source_id = k.source_id AND b.day = k.day`,
};
const FORGET_BUDGETS: Statement = {
  name: 'refusal_budget_forget',
  text: `DELETE FROM events.refusal_budget WHERE day < DATE '1970-01-01' + $1::int4`,
};

type Place = Pick<Refusal, 'tenantId' | 'sourceId' | 'requestId'>;

/** Refused requests, and what each source may keep of them. */
export class RefusalStore {
  /**
   * Locks the budgets of these requests' sources until the transaction ends.
   * @param firstDay days before it do not count any more. @returns bytes taken, by the source's name.
   */
  async lockBudgets(
    tx: Tx,
    refusals: readonly Refusal[],
    firstDay: number,
  ): Promise<ReadonlyMap<string, number>> {
    const sources = sourceColumns(refusals);
    await tx.query(OPEN_BUDGETS, [...sources, int4Array(refusals.map(dayOf))]);
    const { rows } = await tx.query<{ tenant_id: string; source_id: string; bytes: string }>(LOCK_BUDGETS, [
      ...sources,
      firstDay,
    ]);
    const used = new Map<string, number>();
    for (const { tenant_id, source_id, bytes } of rows) {
      const name = nameOfSource({ tenantId: uuidBytes(tenant_id), sourceId: uuidBytes(source_id) });
      used.set(name, (used.get(name) ?? 0) + Number(bytes));
    }
    return used;
  }

  /** IDs, as hexadecimal texts, of those that are kept already. */
  async known(tx: Tx, refusals: readonly Refusal[]): Promise<ReadonlySet<string>> {
    const { rows } = await tx.query<{ request_id: string }>(KNOWN, [
      uuidArray(refusals.map(({ tenantId }) => tenantId)),
      uuidArray(refusals.map(({ requestId }) => requestId)),
    ]);
    return new Set(rows.map(({ request_id }) => uuidBytes(request_id).toString('hex')));
  }

  /** In this order. @param refusals none of which is known. */
  async add(tx: Tx, refusals: readonly Refusal[]): Promise<void> {
    if (refusals.length === 0) return;
    await tx.query(ADD, [
      uuidArray(refusals.map(({ tenantId }) => tenantId)),
      uuidArray(refusals.map(({ requestId }) => requestId)),
      uuidArray(refusals.map(({ sourceId }) => sourceId)),
      textArray(refusals.map(({ provider }) => provider)),
      timeArray(refusals.map(({ receivedAtMs }) => receivedAtMs)),
      textArray(refusals.map(({ cause }) => cause)),
      textArray(refusals.map(({ headers }) => JSON.stringify(headers))),
      textArray(refusals.map(({ traceparent }) => traceparent)),
      int4Array(refusals.map(weightOf)),
      uuidArray(refusals.map(({ dataKeyId }) => dataKeyId)),
      byteaArray(refusals.map(({ raw }) => raw)),
    ]);
    await this.spend(
      tx,
      refusals.map((refusal) => ({ ...refusal, bytes: weightOf(refusal) })),
    );
  }

  /** Gives back what refusals took of their sources' budgets. */
  async giveBack(tx: Tx, freed: readonly (Place & { readonly bytes: number })[]): Promise<void> {
    if (freed.length === 0) return;
    // In the order in which keepers lock them: an update alone has none.
    await tx.query(LOCK_BUDGETS, [...sourceColumns(freed), 0]);
    await this.spend(
      tx,
      freed.map((one) => ({ ...one, bytes: -one.bytes })),
    );
  }

  /** @param spent of budgets that are locked. */
  private async spend(tx: Tx, spent: readonly (Place & { readonly bytes: number })[]): Promise<void> {
    await tx.query(SPEND, [
      ...sourceColumns(spent),
      int4Array(spent.map(dayOf)),
      int8Array(spent.map(({ bytes }) => BigInt(bytes))),
    ]);
  }

  async forgetBudgets(tx: Pick<Tx, 'query'>, firstDay: number): Promise<void> {
    await tx.query(FORGET_BUDGETS, [firstDay]);
  }
}

const sourceColumns = (places: readonly Omit<Place, 'requestId'>[]): Buffer[] => [
  uuidArray(places.map(({ tenantId }) => tenantId)),
  uuidArray(places.map(({ sourceId }) => sourceId)),
];
