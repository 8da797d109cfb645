import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { type Tx } from '@posthorn/postgres/database.js';
import { type Notification, NOTIFICATION_CHANNELS } from '../domain/notification.js';
import { type NotificationStore } from '../persistence/notification.store.js';

/** Notes what a tenant is to be told, with what it tells of; nothing where the tenant has set no channel. */
export class NotifyTenant {
  constructor(private readonly notifications: Pick<NotificationStore, 'insert'>) {}

  /** The same subject and episode again changes nothing. @returns the IDs of what is new, UUID texts. */
  run(tx: Tx, tenantId: string, notification: Notification, nowMs: number): Promise<string[]> {
    const ids = new Map(NOTIFICATION_CHANNELS.map((channel) => [channel, uuidText(newUuid(nowMs))]));
    return this.notifications.insert(tx, tenantId, notification, ids, nowMs);
  }
}
