import { idOfUuid, newUuid, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { type Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database, type Tx } from '@posthorn/postgres/database.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type Counter, type Metrics } from '@posthorn/server/metrics.js';
import { type Actor, SELF } from '../domain/actor.js';
import { invalidField } from '../domain/field-errors.js';
import { KEY_EXPIRING_MS, notificationBackoffMs, type NotificationState } from '../domain/notification.js';
import { type AuditStore } from '../persistence/audit.store.js';
import { type ClaimedNotification, type NotificationStore } from '../persistence/notification.store.js';
import { type NotifyTenant } from './notify-tenant.js';
import { type SecretVault } from './secret-vault.js';

const CLAIMED_MAX = 100;
const LEASE_SECONDS_MAX = 600;
const DETAIL_LENGTH_MAX = 200;
const ROWS_PER_ROUND = 500;
const MS = 1_000;

/** One to send, with the secret of its channel; empty for email. */
export type NotificationToSend = ClaimedNotification & { readonly secret: string };

/** How an attempt ended. */
export interface NotificationOutcome {
  readonly id: string;
  readonly tenantId: string;
  readonly attempt: number;
  readonly delivered: boolean;
  readonly detail: string;
}

/** Hands out what is to be told, takes what became of it, and finds what time alone brings about. */
export class DeliverNotifications {
  private readonly finished: Counter;

  constructor(
    private readonly db: Database,
    private readonly notifications: NotificationStore,
    private readonly notify: NotifyTenant,
    private readonly audits: AuditStore,
    private readonly vault: SecretVault,
    private readonly clock: Clock,
    private readonly log: Logger,
    metrics: Metrics,
  ) {
    this.finished = metrics.counter({
      name: 'posthorn_notifications_total',
      help: 'Notifications of tenants by what became of them: delivered, dropped (after the last attempt)',
      labels: ['state', 'channel'],
    });
  }

  /** @throws AppError `request.invalid` */
  async claim(
    limit: number,
    leaseSeconds: number,
    channels: readonly string[],
  ): Promise<NotificationToSend[]> {
    if (limit < 1 || limit > CLAIMED_MAX) throw invalidField('limit', `1 to ${CLAIMED_MAX}`);
    if (leaseSeconds < 1 || leaseSeconds > LEASE_SECONDS_MAX)
      throw invalidField('leaseSeconds', `1 to ${LEASE_SECONDS_MAX}`);
    const nowMs = this.clock.nowMs();
    const rows = await this.notifications.claim(this.db, nowMs, limit, nowMs + leaseSeconds * MS, channels);
    return rows.flatMap((row) => {
      try {
        return [{ ...row, secret: this.secretOf(row) }];
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        // Tried again until it is dropped: the owner makes a new one.
        this.log.error({ tenantId: row.tenantId, code: error.code }, 'a sealed value cannot be opened');
        return [];
      }
    });
  }

  /** @returns its state; undefined when the attempt was not the last one. @throws AppError `request.invalid` */
  async settle(by: Actor, outcome: NotificationOutcome): Promise<NotificationState | undefined> {
    const id = uuidOfId('ntf', outcome.id);
    const tenantId = uuidOfId('ten', outcome.tenantId);
    if (id === undefined || tenantId === undefined) throw invalidField('id', 'ntf_… of ten_…');
    const nowMs = this.clock.nowMs();
    const { attempt, delivered } = outcome;
    const waitMs = notificationBackoffMs(attempt);
    const state = delivered ? 'delivered' : waitMs === undefined ? 'dropped' : 'pending';
    const detail = outcome.detail.slice(0, DETAIL_LENGTH_MAX);
    const to = { state, detail, nextAttemptAtMs: nowMs + (waitMs ?? 0) } as const;
    const told = await this.db.transaction(async (tx) => {
      const row = await this.notifications.settle(tx, tenantId, id, attempt, to, nowMs);
      if (row !== undefined && state === 'dropped') await this.noteDrop(tx, by, tenantId, id, row, detail);
      return row;
    });
    if (told === undefined) return undefined;
    if (state !== 'pending') this.finished.inc({ state, channel: told.channel });
    return state;
  }

  /** What nobody asks for: keys that expire soon, what nobody will try again, what is old. */
  async runRound(): Promise<void> {
    await this.tellExpiringKeys();
    await this.drop();
    await this.notifications.deleteOld(this.db, this.clock.nowMs(), ROWS_PER_ROUND);
  }

  private async tellExpiringKeys(): Promise<void> {
    const nowMs = this.clock.nowMs();
    const untilMs = nowMs + KEY_EXPIRING_MS;
    const keys = await this.notifications.expiringKeys(this.db, nowMs, untilMs, ROWS_PER_ROUND);
    for (const { tenantId, apiKeyId, name, expiresAtMs } of keys) {
      const data = { keyId: idOfUuid('key', apiKeyId), name, expiresAt: new Date(expiresAtMs).toISOString() };
      const notification = { kind: 'key.expiring', subjectId: apiKeyId, episode: '', data } as const;
      await this.db.transaction((tx) => this.notify.run(tx, tenantId, notification, nowMs));
    }
  }

  private async drop(): Promise<void> {
    const dropped = await this.db.transaction(async (tx) => {
      const rows = await this.notifications.drop(tx, this.clock.nowMs(), ROWS_PER_ROUND);
      for (const row of [...rows].sort((a, b) => (a.tenantId < b.tenantId ? -1 : 1)))
        await this.noteDrop(tx, SELF, row.tenantId, row.notificationId, row, row.detail);
      return rows;
    });
    for (const { channel } of dropped) this.finished.inc({ state: 'dropped', channel });
  }

  private async noteDrop(
    tx: Tx,
    actor: Actor,
    tenantId: string,
    notificationId: string,
    { kind, channel }: { readonly kind: string; readonly channel: string },
    detail: string,
  ): Promise<void> {
    const nowMs = this.clock.nowMs();
    const [auditId, target] = [uuidText(newUuid(nowMs)), idOfUuid('ntf', notificationId)];
    const detailJson = JSON.stringify({ kind, channel, detail });
    const entry = { auditId, atMs: nowMs, actor, action: 'notification.dropped', target, detailJson };
    await this.audits.insert(tx, tenantId, entry);
    this.log.warn({ tenantId, kind, stage: 'notifications' }, 'a notification was dropped');
  }

  private secretOf({ tenantId, channelId, secretSealed, ...key }: ClaimedNotification): string {
    if (secretSealed === null) return '';
    const wrapped = { keyId: key.secretKeyId, wrapped: key.secretKeyWrapped };
    return this.vault.open(tenantId, wrapped, channelId, secretSealed);
  }
}
