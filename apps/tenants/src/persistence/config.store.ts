import { type Tx } from '@posthorn/postgres/database.js';
import { type ConfigObject } from '../domain/config-kind.js';

/** One object that a version touched. */
export interface ConfigChange {
  readonly object: ConfigObject;
  readonly objectId: string;
  readonly tenantId: string;
}

/** Changes up to a version. */
export interface ConfigChanges {
  readonly version: bigint;
  readonly changes: readonly ConfigChange[];
}

/** Rows read at once; a version is never split. */
const CHANGES_MAX = 500;
/** Longer than any stream can lag: one that is further behind starts again with a snapshot. */
const KEPT = `interval '1 day'`;

const VERSION = { name: 'config_version', text: `SELECT version FROM tenants.config_version` };
const NEXT = {
  name: 'config_next',
  text: `UPDATE tenants.config_version SET version = version + 1 RETURNING version`,
};
const INSERT = {
  name: 'config_change_insert',
  text: `INSERT INTO tenants.config_change (version, object, object_id, tenant_id)
    SELECT $1, * FROM unnest($2::text[], $3::uuid[], $4::uuid[])`,
};
const AFTER = {
  name: 'config_change_after',
  text: `SELECT version, object, object_id AS "objectId", tenant_id AS "tenantId" FROM tenants.config_change
    WHERE version > $1 AND version <= (SELECT max(version) FROM (
      SELECT version FROM tenants.config_change WHERE version > $1 ORDER BY version LIMIT ${CHANGES_MAX}) page)
    ORDER BY version`,
};
const DELETE_OLD = {
  name: 'config_change_delete_old',
  text: `DELETE FROM tenants.config_change WHERE version IN (
    SELECT version FROM tenants.config_change WHERE created_at < now() - ${KEPT} ORDER BY version LIMIT $1)`,
};

/** Versions of the configuration: dense, and committed in their own order. */
export class ConfigStore {
  async version(tx: Pick<Tx, 'query'>): Promise<bigint> {
    const { rows } = await tx.query<{ version: string }>(VERSION);
    return BigInt(rows[0]!.version);
  }

  /**
   * Gives the transaction's changes the next version. The last step of a transaction: every other change
   * waits until it ends.
   */
  async bump(tx: Tx, changes: readonly ConfigChange[]): Promise<bigint> {
    const { rows } = await tx.query<{ version: string }>(NEXT);
    const version = rows[0]!.version;
    const unique = new Map(changes.map((change) => [change.objectId, change]));
    await tx.query(INSERT, [
      version,
      ...[...unique.values()].reduce<[string[], string[], string[]]>(
        (columns, { object, objectId, tenantId }) => {
          columns[0].push(object);
          columns[1].push(objectId);
          columns[2].push(tenantId);
          return columns;
        },
        [[], [], []],
      ),
    ]);
    return BigInt(version);
  }

  /** The next changes after a version; undefined when they are no longer kept. */
  async changesAfter(tx: Pick<Tx, 'query'>, version: bigint): Promise<ConfigChanges | undefined> {
    const { rows } = await tx.query<ConfigChange & { version: string }>(AFTER, [String(version)]);
    if (rows.length === 0) return { version, changes: [] };
    if (BigInt(rows[0]!.version) !== version + 1n) return undefined;
    return { version: BigInt(rows.at(-1)!.version), changes: rows };
  }

  /** @returns how many, about `limit`. */
  async deleteOld(tx: Pick<Tx, 'query'>, limit: number): Promise<number> {
    return (await tx.query(DELETE_OLD, [limit])).rowCount;
  }
}
