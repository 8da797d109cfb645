import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';

/** What makes a request the same as an earlier one. Hashes are 16 bytes. */
export interface CommandKey {
  readonly kind: 'idempotency' | 'effect';
  readonly keyHash: Buffer;
  readonly bodyHash: Buffer;
  readonly expiresAtMs: number;
}

/** Keys that exist already, and what they stand for. */
export interface KnownKey {
  readonly messageId: Buffer;
  readonly bodyHash: Buffer;
}

/** Rows that one purge deletes at most. */
export const PURGE_MAX = 1_000;

/** Which command was made for which key. */
export class CommandKeyStore {
  /**
   * Takes a key that is free, or expired. Waits for a transaction that is taking the same one.
   * @returns what it stands for already; undefined when it was free.
   */
  async take(
    tx: Tx,
    tenantId: Buffer,
    key: CommandKey,
    messageId: Buffer,
    nowMs: number,
  ): Promise<KnownKey | undefined> {
    const { rowCount } = await tx.query(
      {
        name: 'take_command_key',
        text: `INSERT INTO dispatch.command_key AS k (tenant_id, kind, key_hash, body_hash, message_id, expires_at)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (tenant_id, kind, key_hash) DO UPDATE SET body_hash = excluded.body_hash,
                 message_id = excluded.message_id, expires_at = excluded.expires_at
               WHERE k.expires_at <= $7`,
      },
      [
        ...[uuidText(tenantId), key.kind, key.keyHash, key.bodyHash, uuidText(messageId)],
        ...[new Date(key.expiresAtMs), new Date(nowMs)],
      ],
    );
    if (rowCount > 0) return undefined;
    const { rows } = await tx.query<{ message_id: string; body_hash: Buffer }>(
      {
        name: 'read_command_key',
        text: `SELECT message_id, body_hash FROM dispatch.command_key
               WHERE tenant_id = $1 AND kind = $2 AND key_hash = $3`,
      },
      [uuidText(tenantId), key.kind, key.keyHash],
    );
    return { messageId: uuidBytes(rows[0]!.message_id), bodyHash: rows[0]!.body_hash };
  }

  /** Deletes expired keys, at most `PURGE_MAX`. @returns how many. */
  async purge(tx: Pick<Tx, 'query'>, nowMs: number): Promise<number> {
    const { rowCount } = await tx.query(
      {
        name: 'purge_command_keys',
        text: `DELETE FROM dispatch.command_key WHERE (tenant_id, kind, key_hash) IN (
                 SELECT tenant_id, kind, key_hash FROM dispatch.command_key WHERE expires_at <= $1
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
      },
      [new Date(nowMs), PURGE_MAX],
    );
    return rowCount;
  }
}
