import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';

/** What makes a request the same as an earlier one. Hashes are 16 bytes. */
export interface CommandKey {
  readonly kind: 'idempotency' | 'effect';
  readonly keyHash: Buffer;
  readonly bodyHash: Buffer;
  readonly expiresAtMs: number;
}

/** Who wants a key for which message. */
export interface KeyClaim {
  readonly tenantId: Buffer;
  readonly messageId: Buffer;
  readonly key: CommandKey;
}

/** What a key stands for. */
export interface KnownKey {
  readonly messageId: Buffer;
  readonly bodyHash: Buffer;
}

/** Rows that one purge deletes at most. */
export const PURGE_MAX = 1_000;

interface KnownRow {
  readonly place: number;
  readonly message_id: string;
  readonly body_hash: Buffer;
}

/** Locks every row, also of those that stay as they are: what is read afterwards is what counts. */
const TAKE: Statement = {
  name: 'take_command_keys',
  text: `INSERT INTO dispatch.command_key AS k (tenant_id, kind, key_hash, body_hash, message_id, expires_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[], $5::uuid[], $6::timestamptz[])
    ON CONFLICT (tenant_id, kind, key_hash) DO UPDATE SET body_hash = excluded.body_hash,
      message_id = excluded.message_id, expires_at = excluded.expires_at
    WHERE k.expires_at <= $7`,
};

const READ: Statement = {
  name: 'read_command_keys',
  text: `SELECT v.place, k.message_id, k.body_hash
    FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::int[]) AS v (tenant_id, kind, key_hash, place)
    JOIN dispatch.command_key k ON k.tenant_id = v.tenant_id AND k.kind = v.kind AND k.key_hash = v.key_hash`,
};

const nameOf = ({ tenantId, key }: KeyClaim): string =>
  `${tenantId.toString('hex')}:${key.kind}:${key.keyHash.toString('hex')}`;

const knownOf = ({ message_id, body_hash }: Pick<KnownRow, 'message_id' | 'body_hash'>): KnownKey => ({
  messageId: uuidBytes(message_id),
  bodyHash: body_hash,
});

/** Which command was made for which key. */
export class CommandKeyStore {
  /**
   * Takes the keys that are free, or expired; the first of several claims to the same one. Waits for a transaction
   * that is taking one of them.
   * @param claims at most `NEW_COMMANDS_MAX`. @returns what the key of each stands for now, in order.
   */
  async take(tx: Tx, claims: readonly KeyClaim[], nowMs: number): Promise<KnownKey[]> {
    if (claims.length === 0) return [];
    const firsts = new Map<string, KeyClaim>();
    for (const claim of claims) if (!firsts.has(nameOf(claim))) firsts.set(nameOf(claim), claim);
    // In one order for all, so that two transactions never wait for each other.
    const names = [...firsts.keys()].sort();
    const sorted = names.map((name) => firsts.get(name)!);
    const keys = sorted.map(({ key }) => key);
    const columns = [
      sorted.map(({ tenantId }) => uuidText(tenantId)),
      keys.map(({ kind }) => kind),
      keys.map(({ keyHash }) => keyHash),
    ];
    const [, { rows }] = await Promise.all([
      tx.query(TAKE, [
        ...columns,
        keys.map(({ bodyHash }) => bodyHash),
        sorted.map(({ messageId }) => uuidText(messageId)),
        keys.map(({ expiresAtMs }) => new Date(expiresAtMs)),
        new Date(nowMs),
      ]),
      tx.query<KnownRow>(READ, [...columns, keys.map((_, place) => place)]),
    ]);
    const known = new Map(rows.map((row) => [names[row.place], knownOf(row)]));
    return claims.map((claim) => known.get(nameOf(claim))!);
  }

  /** @returns what a key stands for now. */
  async find(
    db: Pick<Tx, 'query'>,
    tenantId: Buffer,
    key: CommandKey,
    nowMs: number,
  ): Promise<KnownKey | undefined> {
    const { rows } = await db.query<Pick<KnownRow, 'message_id' | 'body_hash'>>(
      {
        name: 'find_command_key',
        text: `SELECT message_id, body_hash FROM dispatch.command_key
               WHERE tenant_id = $1 AND kind = $2 AND key_hash = $3 AND expires_at > $4`,
      },
      [tenantId, key.kind, key.keyHash, new Date(nowMs)],
    );
    return rows[0] && knownOf(rows[0]);
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
