import { type Tx } from '@posthorn/postgres/database.js';
import { type ChainHead } from '../domain/audit-chain.js';
import { type Checkpoint } from '../domain/audit-checkpoint.js';
import { type WrappedKey } from './key.store.js';
import { msOf, timeOf } from './time.sql.js';

const COLUMNS = `tenant_id AS "tenantId", number, hash, ${msOf('at')} AS "atMs", key_id AS "keyId", signature`;
/** Two processes that start at once must not both make the key. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtext('tenants.audit_key'))`;
const NEWEST_KEY = {
  name: 'audit_key_newest',
  text: `SELECT key_id AS "keyId", wrapped FROM tenants.audit_key ORDER BY key_id DESC LIMIT 1`,
};
const KEYS = {
  name: 'audit_key_list',
  text: `SELECT key_id AS "keyId", wrapped, ${msOf('created_at')} AS "createdAtMs" FROM tenants.audit_key
    ORDER BY key_id DESC LIMIT $1`,
};
const KEY = {
  name: 'audit_key_get',
  text: `SELECT key_id AS "keyId", wrapped FROM tenants.audit_key WHERE key_id = $1`,
};
const INSERT_KEY = {
  name: 'audit_key_insert',
  text: `INSERT INTO tenants.audit_key (key_id, wrapped, created_at) VALUES ($1, $2, ${timeOf('$3')})`,
};
const INSERT = {
  name: 'audit_checkpoint_insert',
  text: `INSERT INTO tenants.audit_checkpoint (tenant_id, number, hash, at, key_id, signature)
    VALUES ($1, $2, $3, ${timeOf('$4')}, $5, $6) ON CONFLICT DO NOTHING`,
};
const LAST = {
  name: 'audit_checkpoint_last',
  text: `SELECT ${COLUMNS} FROM tenants.audit_checkpoint WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1`,
};
const OF_WINDOW = {
  name: 'audit_checkpoint_of_window',
  text: `SELECT ${COLUMNS} FROM tenants.audit_checkpoint
    WHERE tenant_id = $1 AND (number > $2 AND number <= $3
      OR number = (SELECT max(number) FROM tenants.audit_checkpoint WHERE tenant_id = $1))
    ORDER BY number`,
};
const UNCOVERED = {
  name: 'audit_uncovered',
  text: `SELECT c.tenant_id AS "tenantId", c.number, c.hash FROM tenants.audit_counter c
    WHERE ($1::uuid IS NULL OR c.tenant_id > $1) AND c.number > coalesce((SELECT max(k.number) FROM tenants.audit_checkpoint k
      WHERE k.tenant_id = c.tenant_id), 0)
    ORDER BY c.tenant_id LIMIT $2`,
};

/** One is made in the life of a platform; more only by hand. */
const KEYS_MAX = 100;

type Raw = Omit<Checkpoint, 'number'> & { readonly number: string };

/** Signed checkpoints of audit logs, and the wrapped keys that sign them. */
export class CheckpointStore {
  /** The key that signs now; held until the transaction ends. */
  async lockKey(tx: Tx): Promise<WrappedKey | undefined> {
    await tx.query(LOCK);
    return (await tx.query<WrappedKey>(NEWEST_KEY)).rows[0];
  }

  async key(tx: Pick<Tx, 'query'>, keyId: string): Promise<WrappedKey | undefined> {
    return (await tx.query<WrappedKey>(KEY, [keyId])).rows[0];
  }

  /** All that ever signed, newest first. */
  async keys(tx: Pick<Tx, 'query'>): Promise<(WrappedKey & { readonly createdAtMs: number })[]> {
    return (await tx.query<WrappedKey & { createdAtMs: number }>(KEYS, [KEYS_MAX])).rows;
  }

  async insertKey(tx: Tx, { keyId, wrapped }: WrappedKey, nowMs: number): Promise<void> {
    await tx.query(INSERT_KEY, [keyId, wrapped, nowMs]);
  }

  /** Another process may have made the same one. */
  async insert(tx: Pick<Tx, 'query'>, checkpoint: Checkpoint): Promise<void> {
    const { tenantId, number, hash, atMs, keyId, signature } = checkpoint;
    await tx.query(INSERT, [tenantId, String(number), hash, atMs, keyId, signature]);
  }

  async last(tx: Pick<Tx, 'query'>, tenantId: string): Promise<Checkpoint | undefined> {
    const { rows } = await tx.query<Raw>(LAST, [tenantId]);
    return rows.map(checkpointOf)[0];
  }

  /** Those of entries after a number, up to another, and the newest. */
  async ofWindow(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    after: bigint,
    last: bigint,
  ): Promise<Checkpoint[]> {
    const { rows } = await tx.query<Raw>(OF_WINDOW, [tenantId, String(after), String(last)]);
    return rows.map(checkpointOf);
  }

  /** Logs with entries that no checkpoint covers. @param after the last tenant of the page before. */
  async uncovered(
    tx: Pick<Tx, 'query'>,
    after: string | undefined,
    limit: number,
  ): Promise<(ChainHead & { readonly tenantId: string })[]> {
    const { rows } = await tx.query<{ tenantId: string; number: string; hash: Buffer }>(UNCOVERED, [
      after ?? null,
      limit,
    ]);
    return rows.map((row) => ({ ...row, number: BigInt(row.number) }));
  }
}

const checkpointOf = ({ number, ...rest }: Raw): Checkpoint => ({ ...rest, number: BigInt(number) });
