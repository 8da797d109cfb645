import { type Tx } from '@posthorn/postgres/database.js';
import { timeOf } from './time.sql.js';

/** What is known of a request under its key. */
export interface IdempotencyRecord {
  readonly fingerprint: Buffer;
  /** null while it runs. */
  readonly status: number | null;
  readonly bodyJson: string | null;
  /** Past its 24 h: as if it had never been. */
  readonly isExpired: boolean;
  /** Begun so long ago that whoever began it is gone. */
  readonly isAbandoned: boolean;
}

const KEPT = `interval '24 hours'`;
const ABANDONED = `interval '60 seconds'`;

const INSERT = {
  name: 'idempotency_insert',
  text: `INSERT INTO tenants.idempotency (principal_id, idempotency_key, fingerprint, begun_at, created_at)
    VALUES ($1, $2, $3, ${timeOf('$4')}, ${timeOf('$4')}) ON CONFLICT DO NOTHING`,
};
const LOCK = {
  name: 'idempotency_lock',
  text: `SELECT fingerprint, status, body_json AS "bodyJson",
      created_at <= ${timeOf('$3')} - ${KEPT} AS "isExpired", begun_at <= ${timeOf('$3')} - ${ABANDONED} AS "isAbandoned"
    FROM tenants.idempotency WHERE principal_id = $1 AND idempotency_key = $2 FOR UPDATE`,
};
const RESTART = {
  name: 'idempotency_restart',
  text: `UPDATE tenants.idempotency SET fingerprint = $3, status = NULL, body_json = NULL,
      begun_at = ${timeOf('$4')}, created_at = ${timeOf('$4')}
    WHERE principal_id = $1 AND idempotency_key = $2`,
};
const COMPLETE = {
  name: 'idempotency_complete',
  text: `UPDATE tenants.idempotency SET status = $3, body_json = $4
    WHERE principal_id = $1 AND idempotency_key = $2 AND status IS NULL`,
};
const FORGET = {
  name: 'idempotency_forget',
  text: `DELETE FROM tenants.idempotency WHERE principal_id = $1 AND idempotency_key = $2 AND status IS NULL`,
};
const DELETE_OLD = {
  name: 'idempotency_delete_old',
  text: `DELETE FROM tenants.idempotency WHERE (principal_id, idempotency_key) IN (
    SELECT principal_id, idempotency_key FROM tenants.idempotency WHERE created_at <= ${timeOf('$1')} - ${KEPT}
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
};

/** First answers under Idempotency-Keys; bodies come here with their secrets removed. */
export class IdempotencyStore {
  /** @returns false when the key is known already. */
  async insert(
    tx: Tx,
    principalId: string,
    idempotencyKey: string,
    fingerprint: Buffer,
    nowMs: number,
  ): Promise<boolean> {
    const { rowCount } = await tx.query(INSERT, [principalId, idempotencyKey, fingerprint, nowMs]);
    return rowCount === 1;
  }

  async lock(
    tx: Tx,
    principalId: string,
    idempotencyKey: string,
    nowMs: number,
  ): Promise<IdempotencyRecord | undefined> {
    const { rows } = await tx.query<IdempotencyRecord>(LOCK, [principalId, idempotencyKey, nowMs]);
    return rows[0];
  }

  async restart(
    tx: Tx,
    principalId: string,
    idempotencyKey: string,
    fingerprint: Buffer,
    nowMs: number,
  ): Promise<void> {
    await tx.query(RESTART, [principalId, idempotencyKey, fingerprint, nowMs]);
  }

  async complete(
    tx: Pick<Tx, 'query'>,
    principalId: string,
    idempotencyKey: string,
    status: number,
    bodyJson: string,
  ): Promise<void> {
    await tx.query(COMPLETE, [principalId, idempotencyKey, status, bodyJson]);
  }

  async forget(tx: Pick<Tx, 'query'>, principalId: string, idempotencyKey: string): Promise<void> {
    await tx.query(FORGET, [principalId, idempotencyKey]);
  }

  /** @returns how many, at most `limit`. */
  async deleteOld(tx: Pick<Tx, 'query'>, nowMs: number, limit: number): Promise<number> {
    return (await tx.query(DELETE_OLD, [nowMs, limit])).rowCount;
  }
}
