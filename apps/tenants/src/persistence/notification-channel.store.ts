import { type Tx } from '@posthorn/postgres/database.js';
import { type NotificationChannel } from '../domain/notification.js';
import { msOf, timeOf } from './time.sql.js';

/** Where a tenant is told. */
export interface NotificationChannelRow {
  readonly kind: NotificationChannel;
  readonly channelId: string;
  readonly address: string;
  /** Of a webhook. */
  readonly secretSealed: Buffer | null;
  readonly createdAtMs: number;
}

const LIST = {
  name: 'notification_channel_list',
  text: `SELECT kind, channel_id AS "channelId", address, secret_sealed AS "secretSealed",
      ${msOf('created_at')} AS "createdAtMs"
    FROM tenants.notification_channel WHERE tenant_id = $1 ORDER BY kind`,
};
const PUT = {
  name: 'notification_channel_put',
  text: `INSERT INTO tenants.notification_channel (tenant_id, kind, channel_id, address, secret_sealed, created_at)
    VALUES ($1, $2, $3, $4, $5, ${timeOf('$6')})
    ON CONFLICT (tenant_id, kind) DO UPDATE SET address = excluded.address, secret_sealed = excluded.secret_sealed`,
};
const DELETE = {
  name: 'notification_channel_delete',
  text: `DELETE FROM tenants.notification_channel WHERE tenant_id = $1 AND kind = $2`,
};
const DELETE_ALL = {
  name: 'notification_channel_delete_all',
  text: `DELETE FROM tenants.notification_channel WHERE tenant_id = $1`,
};

/** The channels of tenants, at most one of each kind. */
export class NotificationChannelStore {
  async list(tx: Pick<Tx, 'query'>, tenantId: string): Promise<NotificationChannelRow[]> {
    return (await tx.query<NotificationChannelRow>(LIST, [tenantId])).rows;
  }

  /** A channel that is there keeps its ID and its age. */
  async put(tx: Tx, tenantId: string, row: NotificationChannelRow): Promise<void> {
    const { kind, channelId, address, secretSealed, createdAtMs } = row;
    await tx.query(PUT, [tenantId, kind, channelId, address, secretSealed, createdAtMs]);
  }

  async delete(tx: Tx, tenantId: string, kind: NotificationChannel): Promise<void> {
    await tx.query(DELETE, [tenantId, kind]);
  }

  async deleteAll(tx: Tx, tenantId: string): Promise<void> {
    await tx.query(DELETE_ALL, [tenantId]);
  }
}
