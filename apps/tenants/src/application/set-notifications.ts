import { idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type Actor } from '../domain/actor.js';
import { checkDestinationUrl } from '../domain/destination-url.js';
import {
  checkEmail,
  NOTIFICATION_CHANNELS,
  type NotificationChannel,
  type NotificationRecord,
} from '../domain/notification.js';
import {
  type NotificationChannelRow,
  type NotificationChannelStore,
} from '../persistence/notification-channel.store.js';
import { type NotificationStore } from '../persistence/notification.store.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { type Change, type ChangeRunner } from './change-runner.js';
import { type DestinationRules } from './destination-rules.js';
import { type NotifyTenant } from './notify-tenant.js';
import { type OwnerSecrets } from './owner-secrets.js';
import { type SecretVault } from './secret-vault.js';

const TEST_EVERY_MS = 60_000;

/** A channel, and the latest that was told through it. */
export interface ChannelView extends Omit<NotificationChannelRow, 'secretSealed' | 'channelId'> {
  readonly last: NotificationRecord | undefined;
}

/** Where a tenant wants to be told; empty: not that way. */
export interface WantedChannels {
  readonly email: string;
  readonly webhookUrl: string;
  /** For a webhook that has one. */
  readonly newWebhookSecret: boolean;
}

/** Where a tenant is told of what goes wrong. */
export class SetNotifications {
  constructor(
    private readonly db: Database,
    private readonly changes: ChangeRunner,
    private readonly tenants: TenantStore,
    private readonly channels: NotificationChannelStore,
    private readonly notifications: NotificationStore,
    private readonly notify: NotifyTenant,
    private readonly secrets: OwnerSecrets,
    private readonly vault: SecretVault,
    private readonly rules: DestinationRules,
  ) {}

  /** @throws AppError `tenant.not_found` */
  async list(ref: string): Promise<ChannelView[]> {
    const { tenantId } = await this.tenants.get(this.db, ref);
    return this.view(this.db, tenantId);
  }

  /**
   * Replaces all channels; what waits for one that goes is dropped with it.
   * @returns the webhook's secret when it was made now.
   * @throws AppError `request.invalid`, `destination.address_forbidden`, `tenant.not_found`
   */
  async run(
    actor: Actor,
    ref: string,
    wanted: WantedChannels,
  ): Promise<{ channels: ChannelView[]; webhookSecret: string | undefined }> {
    checkEmail(wanted.email);
    const url =
      wanted.webhookUrl === '' ? '' : checkDestinationUrl(wanted.webhookUrl, this.rules.allowLoopback);
    const { value } = await this.changes.run(actor, ref, async (change) => {
      const { tx, tenant } = change;
      const before = await this.channels.list(tx, tenant.tenantId);
      const of = (kind: NotificationChannel) => before.find((row) => row.kind === kind);
      const isSecretNew = url !== '' && (of('webhook') === undefined || wanted.newWebhookSecret);
      const webhookSecret = isSecretNew ? generateSigningSecret() : undefined;
      await this.put(change, 'email', of('email'), wanted.email, undefined);
      await this.put(change, 'webhook', of('webhook'), url, webhookSecret);
      const channels = await this.view(tx, tenant.tenantId);
      // No addresses: one may be a person's.
      const detail = {
        before: { channels: before.map(({ kind }) => kind) },
        after: { channels: channels.map(({ kind }) => kind), isSecretNew },
      };
      change.audit('notifications.updated', idOfUuid('ten', tenant.tenantId), detail);
      return { channels, webhookSecret };
    });
    return value;
  }

  /**
   * Tells every channel something harmless, at most once in `TEST_EVERY_MS`: a mail costs its relay and whoever gets it.
   * @returns `ntf_…` @throws AppError `tenant.not_found`, `request.invalid`, `quota.exceeded`
   */
  async test(actor: Actor, ref: string): Promise<string[]> {
    const { value } = await this.changes.run(actor, ref, async (change) => {
      const { tx, tenant, nowMs } = change;
      const { tenantId } = tenant;
      if ((await this.channels.list(tx, tenantId)).length === 0)
        throw new AppError('request.invalid', { detail: 'no channel is set: PUT notifications first' });
      const episode = String(Math.floor(nowMs / TEST_EVERY_MS));
      const test = { kind: 'notification.test', subjectId: tenantId, episode, data: {} } as const;
      const ids = await this.notify.run(tx, tenantId, test, nowMs);
      if (ids.length === 0)
        throw new AppError('quota.exceeded', { retryAfterMs: TEST_EVERY_MS - (nowMs % TEST_EVERY_MS) });
      change.audit('notifications.tested', idOfUuid('ten', tenant.tenantId), {});
      return ids.map((id) => idOfUuid('ntf', id));
    });
    return value;
  }

  private async put(
    change: Change,
    kind: NotificationChannel,
    before: NotificationChannelRow | undefined,
    address: string,
    secret: string | undefined,
  ): Promise<void> {
    const { tx, nowMs } = change;
    const { tenantId } = change.tenant;
    if (address === '') {
      await this.channels.delete(tx, tenantId, kind);
      return this.notifications.deleteOfChannel(tx, tenantId, kind);
    }
    const channelId = before?.channelId ?? uuidText(newUuid(nowMs));
    const secretSealed =
      secret === undefined
        ? (before?.secretSealed ?? null)
        : this.vault.seal(tenantId, await this.secrets.key(change), channelId, secret);
    await this.channels.put(tx, tenantId, { kind, channelId, address, secretSealed, createdAtMs: nowMs });
  }

  private async view(db: Parameters<NotificationStore['last']>[0], tenantId: string): Promise<ChannelView[]> {
    const rows = await this.channels.list(db, tenantId);
    const last = new Map((await this.notifications.last(db, tenantId)).map((each) => [each.channel, each]));
    return NOTIFICATION_CHANNELS.flatMap((kind) => {
      const row = rows.find((each) => each.kind === kind);
      if (row === undefined) return [];
      const { address, createdAtMs } = row;
      return [{ kind, address, createdAtMs, last: last.get(kind) }];
    });
  }
}
