import { type Tx } from '@posthorn/postgres/database.js';
import { type WrappedKey } from './key.store.js';
import { timeOf } from './time.sql.js';

/** What a tenant's secret key seals. */
export const SEALED_KINDS = ['secret', 'credential', 'headers', 'notification'] as const;
export type SealedKind = (typeof SEALED_KINDS)[number];

/** A sealed value, and the row that it belongs to. */
export interface SealedValue {
  readonly rowId: string;
  readonly sealed: Buffer;
}

const PLACES: Readonly<Record<SealedKind, { table: string; id: string; column: string }>> = {
  secret: { table: 'tenants.secret', id: 'secret_id', column: 'sealed' },
  credential: { table: 'tenants.source_credential', id: 'source_id', column: 'sealed' },
  headers: { table: 'tenants.destination', id: 'destination_id', column: 'headers_sealed' },
  notification: { table: 'tenants.notification_channel', id: 'channel_id', column: 'secret_sealed' },
};
const NIL = '00000000-0000-0000-0000-000000000000';
const statementsOf = (kind: SealedKind) => {
  const { table, id, column } = PLACES[kind];
  return {
    // In the order in which uses of secrets are noted, against deadlocks.
    page: {
      name: `sealed_${kind}_page`,
      text: `SELECT ${id} AS "rowId", ${column} AS sealed FROM ${table}
        WHERE tenant_id = $1 AND ${id} > $2 AND ${column} IS NOT NULL ORDER BY ${id} LIMIT $3 FOR NO KEY UPDATE`,
    },
    replace: {
      name: `sealed_${kind}_replace`,
      text: `UPDATE ${table} t SET ${column} = v.sealed FROM unnest($2::uuid[], $3::bytea[]) AS v (row_id, sealed)
        WHERE t.tenant_id = $1 AND t.${id} = v.row_id AND t.${column} IS NOT NULL`,
    },
  };
};
const STATEMENTS = new Map(SEALED_KINDS.map((kind) => [kind, statementsOf(kind)]));
const REPLACE_KEY = {
  name: 'secret_key_replace',
  text: `UPDATE tenants.secret_key SET key_id = $2, wrapped = $3, created_at = ${timeOf('$4')} WHERE tenant_id = $1`,
};

/** Everything that a tenant's secret key seals, and the key itself. The tenant must be locked. */
export class SealedValueStore {
  /** Held until the transaction ends. @param after the last row of the page before. */
  async page(
    tx: Tx,
    kind: SealedKind,
    tenantId: string,
    after: string | undefined,
    limit: number,
  ): Promise<SealedValue[]> {
    const { page } = STATEMENTS.get(kind)!;
    return (await tx.query<SealedValue>(page, [tenantId, after ?? NIL, limit])).rows;
  }

  async replace(tx: Tx, kind: SealedKind, tenantId: string, values: readonly SealedValue[]): Promise<void> {
    await tx.query(STATEMENTS.get(kind)!.replace, [
      tenantId,
      values.map(({ rowId }) => rowId),
      values.map(({ sealed }) => sealed),
    ]);
  }

  /** The former key is gone with it. */
  async replaceKey(tx: Tx, tenantId: string, { keyId, wrapped }: WrappedKey, nowMs: number): Promise<void> {
    await tx.query(REPLACE_KEY, [tenantId, keyId, wrapped, nowMs]);
  }
}
