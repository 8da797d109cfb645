import { type Tx } from '@posthorn/postgres/database.js';
import {
  type Notification,
  NOTIFICATION_ATTEMPTS_MAX,
  type NotificationRecord,
  type NotificationState,
} from '../domain/notification.js';
import { msOf, timeOf } from './time.sql.js';

/** One that somebody is to send now, with what opens the secret of its channel. */
export interface ClaimedNotification {
  readonly tenantId: string;
  readonly slug: string;
  readonly notificationId: string;
  readonly kind: string;
  readonly channel: string;
  readonly channelId: string;
  readonly address: string;
  readonly secretSealed: Buffer | null;
  readonly secretKeyId: string;
  readonly secretKeyWrapped: Buffer;
  readonly dataJson: string;
  readonly createdAtMs: number;
  readonly attempt: number;
}

/** A key that its tenant has not been told of on every channel. */
export interface ExpiringKey {
  readonly tenantId: string;
  readonly apiKeyId: string;
  readonly name: string;
  readonly expiresAtMs: number;
}

/** How long one is listed, and not told again. */
const KEPT = `interval '90 days'`;

const INSERT = {
  name: 'notification_insert',
  text: `INSERT INTO tenants.notification (tenant_id, notification_id, kind, channel, subject_id, episode, data_json,
      next_attempt_at, created_at)
    SELECT c.tenant_id, v.id, $4, c.kind, $5::uuid, $6, $7, ${timeOf('$8')}, ${timeOf('$8')}
    FROM unnest($2::uuid[], $3::text[]) AS v (id, channel)
    JOIN tenants.notification_channel c ON c.tenant_id = $1 AND c.kind = v.channel
    ON CONFLICT (tenant_id, kind, subject_id, episode, channel) DO NOTHING RETURNING notification_id AS id`,
};
const CLAIM = {
  name: 'notification_claim',
  text: `WITH due AS (
      SELECT n.tenant_id, n.notification_id FROM tenants.notification n
      JOIN tenants.notification_channel c ON c.tenant_id = n.tenant_id AND c.kind = n.channel
      WHERE n.state = 'pending' AND n.next_attempt_at <= ${timeOf('$1')} AND n.channel = ANY ($4::text[])
        AND n.attempt_count < ${NOTIFICATION_ATTEMPTS_MAX}
      ORDER BY n.next_attempt_at LIMIT $2 FOR UPDATE OF n SKIP LOCKED),
    claimed AS (
      UPDATE tenants.notification n SET attempt_count = n.attempt_count + 1, next_attempt_at = ${timeOf('$3')}
      FROM due WHERE n.tenant_id = due.tenant_id AND n.notification_id = due.notification_id
      RETURNING n.tenant_id, n.notification_id, n.kind, n.channel, n.data_json, n.created_at, n.attempt_count)
    SELECT n.tenant_id AS "tenantId", t.slug, n.notification_id AS "notificationId", n.kind, n.channel,
      c.channel_id AS "channelId", c.address, c.secret_sealed AS "secretSealed",
      k.key_id AS "secretKeyId", k.wrapped AS "secretKeyWrapped",
      n.data_json AS "dataJson", ${msOf('n.created_at')} AS "createdAtMs", n.attempt_count AS attempt
    FROM claimed n JOIN tenants.tenant t USING (tenant_id) JOIN tenants.secret_key k USING (tenant_id)
    JOIN tenants.notification_channel c ON c.tenant_id = n.tenant_id AND c.kind = n.channel`,
};
const SETTLE = {
  name: 'notification_settle',
  text: `UPDATE tenants.notification SET state = $4, detail = $5, next_attempt_at = ${timeOf('$6')},
      finished_at = CASE WHEN $4 = 'pending' THEN NULL ELSE ${timeOf('$7')} END
    WHERE tenant_id = $1 AND notification_id = $2 AND attempt_count = $3 AND state = 'pending'
    RETURNING kind, channel`,
};
/** Whoever tried the last time never said how it went; or its channel is no more. */
const DROP = {
  name: 'notification_drop',
  text: `UPDATE tenants.notification n SET state = 'dropped', finished_at = ${timeOf('$1')},
      detail = CASE WHEN attempt_count < ${NOTIFICATION_ATTEMPTS_MAX} THEN 'its channel is no more' ELSE detail END
    WHERE (tenant_id, notification_id) IN (
      SELECT d.tenant_id, d.notification_id FROM tenants.notification d
      WHERE d.state = 'pending' AND d.next_attempt_at <= ${timeOf('$1')} AND (
        d.attempt_count >= ${NOTIFICATION_ATTEMPTS_MAX} OR NOT EXISTS (SELECT FROM tenants.notification_channel c
          WHERE c.tenant_id = d.tenant_id AND c.kind = d.channel))
      ORDER BY d.next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING tenant_id AS "tenantId", notification_id AS "notificationId", kind, channel, state,
      attempt_count AS attempts, detail, ${msOf('created_at')} AS "createdAtMs"`,
};
const LAST = {
  name: 'notification_last',
  text: `SELECT DISTINCT ON (channel) notification_id AS "notificationId", kind, channel, state,
      attempt_count AS attempts, detail, ${msOf('created_at')} AS "createdAtMs"
    FROM tenants.notification WHERE tenant_id = $1 ORDER BY channel, notification_id DESC`,
};
const DELETE_OF_CHANNEL = {
  name: 'notification_delete_of_channel',
  text: `DELETE FROM tenants.notification WHERE tenant_id = $1 AND channel = $2`,
};
const DELETE_ALL = {
  name: 'notification_delete_all',
  text: `DELETE FROM tenants.notification WHERE tenant_id = $1`,
};
const DELETE_OLD = {
  name: 'notification_delete_old',
  text: `DELETE FROM tenants.notification WHERE (tenant_id, notification_id) IN (
    SELECT tenant_id, notification_id FROM tenants.notification
    WHERE state <> 'pending' AND created_at < ${timeOf('$1')} - ${KEPT} LIMIT $2 FOR UPDATE SKIP LOCKED)`,
};
/** Of keys that live longer than the warning comes before their end. */
const EXPIRING_KEYS = {
  name: 'notification_expiring_keys',
  text: `SELECT k.tenant_id AS "tenantId", k.api_key_id AS "apiKeyId", k.name, ${msOf('k.expires_at')} AS "expiresAtMs"
    FROM tenants.api_key k
    WHERE k.expires_at > ${timeOf('$1')} AND k.expires_at <= ${timeOf('$2')}
      AND k.created_at < k.expires_at - (${timeOf('$2')} - ${timeOf('$1')})
      AND EXISTS (SELECT FROM tenants.notification_channel c WHERE c.tenant_id = k.tenant_id
        AND NOT EXISTS (SELECT FROM tenants.notification n WHERE n.tenant_id = k.tenant_id
          AND n.kind = 'key.expiring' AND n.subject_id = k.api_key_id AND n.channel = c.kind))
    ORDER BY k.expires_at LIMIT $3`,
};

/** What tenants are told, and how far that is. */
export class NotificationStore {
  /** @param ids channel → the ID there. @returns the IDs of those that are new. */
  async insert(
    tx: Tx,
    tenantId: string,
    { kind, subjectId, episode, data }: Notification,
    ids: ReadonlyMap<string, string>,
    nowMs: number,
  ): Promise<string[]> {
    const values = [tenantId, [...ids.values()], [...ids.keys()], kind, subjectId, episode];
    const { rows } = await tx.query<{ id: string }>(INSERT, [...values, JSON.stringify(data), nowMs]);
    return rows.map(({ id }) => id);
  }

  /** Those that are due; each is the caller's until the lease ends, and one attempt older. */
  async claim(
    tx: Pick<Tx, 'query'>,
    nowMs: number,
    limit: number,
    leaseEndMs: number,
    channels: readonly string[],
  ): Promise<ClaimedNotification[]> {
    return (await tx.query<ClaimedNotification>(CLAIM, [nowMs, limit, leaseEndMs, channels])).rows;
  }

  /** @returns undefined when the attempt is not the last one, or it is finished. */
  async settle(
    tx: Tx,
    tenantId: string,
    notificationId: string,
    attempt: number,
    to: { readonly state: NotificationState; readonly detail: string; readonly nextAttemptAtMs: number },
    nowMs: number,
  ): Promise<{ readonly kind: string; readonly channel: string } | undefined> {
    const { state, detail, nextAttemptAtMs } = to;
    const values = [tenantId, notificationId, attempt, state, detail, nextAttemptAtMs, nowMs];
    return (await tx.query<{ kind: string; channel: string }>(SETTLE, values)).rows[0];
  }

  /** Ends those that nobody will try again. @returns them, at most `limit`. */
  async drop(
    tx: Tx,
    nowMs: number,
    limit: number,
  ): Promise<(NotificationRecord & { readonly tenantId: string })[]> {
    return (await tx.query<NotificationRecord & { tenantId: string }>(DROP, [nowMs, limit])).rows;
  }

  /** The latest of each channel. */
  async last(tx: Pick<Tx, 'query'>, tenantId: string): Promise<NotificationRecord[]> {
    return (await tx.query<NotificationRecord>(LAST, [tenantId])).rows;
  }

  async expiringKeys(
    tx: Pick<Tx, 'query'>,
    nowMs: number,
    untilMs: number,
    limit: number,
  ): Promise<ExpiringKey[]> {
    return (await tx.query<ExpiringKey>(EXPIRING_KEYS, [nowMs, untilMs, limit])).rows;
  }

  async deleteOfChannel(tx: Tx, tenantId: string, channel: string): Promise<void> {
    await tx.query(DELETE_OF_CHANNEL, [tenantId, channel]);
  }

  async deleteAll(tx: Tx, tenantId: string): Promise<void> {
    await tx.query(DELETE_ALL, [tenantId]);
  }

  /** @returns how many, at most `limit`. */
  async deleteOld(tx: Pick<Tx, 'query'>, nowMs: number, limit: number): Promise<number> {
    return (await tx.query(DELETE_OLD, [nowMs, limit])).rowCount;
  }
}
