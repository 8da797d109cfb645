import { type Tx } from '@posthorn/postgres/database.js';
import { type ConfigKind } from '../domain/config-kind.js';

/** One running service that keeps configuration in memory. */
export interface Watcher {
  readonly instanceId: string;
  readonly service: string;
  readonly kinds: readonly ConfigKind[];
}

/** Without contact for this long a watcher no longer counts, and is an alert of its own service. */
const LIVE = `interval '60 seconds'`;
const FORGOTTEN = `interval '1 hour'`;

const UPSERT = {
  name: 'watcher_upsert',
  text: `INSERT INTO tenants.watcher (instance_id, service, kinds, confirmed_version, seen_at)
    VALUES ($1, $2, $3::text[], 0, now())
    ON CONFLICT (instance_id) DO UPDATE SET kinds = excluded.kinds, seen_at = now(),
      confirmed_version = excluded.confirmed_version`,
};
const CONFIRM = {
  name: 'watcher_confirm',
  text: `INSERT INTO tenants.watcher (instance_id, service, kinds, confirmed_version, seen_at)
    SELECT instance_id, service, string_to_array(kinds, ','), version, now()
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS c(instance_id, service, kinds, version)
    ORDER BY 1
    ON CONFLICT (instance_id) DO UPDATE SET seen_at = now(),
      confirmed_version = greatest(watcher.confirmed_version, excluded.confirmed_version)`,
};
const DELETE = { name: 'watcher_delete', text: `DELETE FROM tenants.watcher WHERE instance_id = $1` };
const PENDING = {
  name: 'watcher_pending',
  text: `SELECT service || '/' || instance_id AS name FROM tenants.watcher
    WHERE seen_at > now() - ${LIVE} AND confirmed_version < $1 AND kinds && $2::text[] ORDER BY 1 LIMIT 100`,
};
const DELETE_FORGOTTEN = {
  name: 'watcher_delete_forgotten',
  text: `DELETE FROM tenants.watcher WHERE seen_at < now() - ${FORGOTTEN}`,
};

/** Who watches, and what they have confirmed. Times are the database's: replicas need not agree on theirs. */
export class WatcherStore {
  /** A watcher that has confirmed nothing yet: its snapshot is on the way. */
  async register(tx: Pick<Tx, 'query'>, watcher: Watcher): Promise<void> {
    const { instanceId, service, kinds } = watcher;
    await tx.query(UPSERT, [instanceId, service, kinds]);
  }

  /** Notes contact with watchers and what they confirmed; one that was taken for gone is back. */
  async confirm(
    tx: Pick<Tx, 'query'>,
    watchers: readonly (Watcher & { readonly confirmedVersion: bigint })[],
  ): Promise<void> {
    await tx.query(CONFIRM, [
      watchers.map(({ instanceId }) => instanceId),
      watchers.map(({ service }) => service),
      watchers.map(({ kinds }) => kinds.join(',')),
      watchers.map(({ confirmedVersion }) => String(confirmedVersion)),
    ]);
  }

  async delete(tx: Pick<Tx, 'query'>, instanceId: string): Promise<void> {
    await tx.query(DELETE, [instanceId]);
  }

  /** `service/instance` of live watchers of any of these kinds that have not confirmed a version. */
  async pending(tx: Pick<Tx, 'query'>, version: bigint, kinds: readonly ConfigKind[]): Promise<string[]> {
    const { rows } = await tx.query<{ name: string }>(PENDING, [String(version), kinds]);
    return rows.map(({ name }) => name);
  }

  async deleteForgotten(tx: Pick<Tx, 'query'>): Promise<number> {
    return (await tx.query(DELETE_FORGOTTEN)).rowCount;
  }
}
