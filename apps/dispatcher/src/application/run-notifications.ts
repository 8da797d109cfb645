import type { Clock } from '@posthorn/clock/clock.js';
import { decodeSigningSecret, signStandardWebhook } from '@posthorn/crypto/signing-secret.js';
import { type EgressClient, outcomeOfError } from '@posthorn/egress/egress-client.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Counter, Metrics } from '@posthorn/server/metrics.js';
import { type MailRelay, smtpReasonOf } from '../clients/mail-relay.js';
import type { NotificationToSend, TenantsClient } from '../clients/tenants.client.js';
import { renderNotification, writeNotification } from '../domain/notification-text.js';

/** Bounds of telling tenants; times in milliseconds. */
const LIMITS = {
  /** At the same time by one process. */
  inFlightMax: 8,
  pollMs: 2_000,
  /** Longer than an attempt can take. */
  leaseSeconds: 120,
  stopMs: 3_000,
} as const;
const MS_PER_SECOND = 1_000;
/** Beside those of destinations: one that hangs must not hold back the other. */
const LANE = 'notification';

/** How one attempt ended. */
interface Told {
  readonly delivered: boolean;
  readonly detail: string;
}

/** Ways in which this process can tell tenants something. */
export class NotificationRoutes {
  constructor(private readonly relay: Pick<MailRelay, 'isThere'>) {}

  channels(): string[] {
    return this.relay.isThere ? ['webhook', 'email'] : ['webhook'];
  }
}

/**
 * Asks tenants for notifications that are due, and sends them. Nothing of it is kept here: what this process has when it dies
 * is handed out again when its lease ends, under the same ID.
 */
export class RunNotifications {
  private readonly inFlight = new Set<Promise<void>>();
  private readonly attempts: Counter;
  private timer: NodeJS.Timeout | undefined;
  private claiming: Promise<void> | undefined;
  private isStopped = false;

  constructor(
    private readonly tenants: Pick<TenantsClient, 'claimNotifications' | 'settleNotification'>,
    private readonly routes: NotificationRoutes,
    private readonly egress: Pick<EgressClient, 'post'>,
    private readonly relay: Pick<MailRelay, 'send'>,
    private readonly userAgent: { readonly text: string },
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'debug' | 'warn'>,
    metrics: Metrics,
    private readonly pollMs: number = LIMITS.pollMs,
  ) {
    this.attempts = metrics.counter({
      name: 'posthorn_notification_attempts_total',
      help: 'Tries to tell tenants something, by channel and outcome: delivered, failed',
      labels: ['channel', 'outcome'],
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.wake(), this.pollMs);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.claiming;
    let giveUp: NodeJS.Timeout | undefined;
    const longest = new Promise<void>((resolve) => (giveUp = setTimeout(resolve, LIMITS.stopMs)));
    await Promise.race([Promise.all(this.inFlight), longest]);
    clearTimeout(giveUp);
  }

  private wake(): void {
    if (!this.isStopped) this.claiming ??= this.claim().finally(() => (this.claiming = undefined));
  }

  private async claim(): Promise<void> {
    const room = LIMITS.inFlightMax - this.inFlight.size;
    if (room <= 0) return;
    let claimed: NotificationToSend[];
    try {
      claimed = await this.tenants.claimNotifications(room, LIMITS.leaseSeconds, this.routes.channels());
    } catch (err) {
      this.log.debug({ err, stage: 'notifications' }, 'nobody says what is to be told');
      return;
    }
    for (const notification of claimed) {
      const running = this.one(notification).finally(() => {
        this.inFlight.delete(running);
        this.wake();
      });
      this.inFlight.add(running);
    }
  }

  /** Never rejects: what tenants was not told is handed out again. */
  private async one(notification: NotificationToSend): Promise<void> {
    const { tenantId, channel } = notification;
    const told = await (channel === 'email' ? this.mail(notification) : this.post(notification));
    this.attempts.inc({ channel, outcome: told.delivered ? 'delivered' : 'failed' });
    try {
      await this.tenants.settleNotification(notification, told);
    } catch (err) {
      this.log.warn({ err, stage: 'notifications', tenantId }, 'what became of a notification was not kept');
    }
  }

  private async post(notification: NotificationToSend): Promise<Told> {
    try {
      const body = renderNotification(notification);
      const timestamp = Math.floor(this.clock.nowMs() / MS_PER_SECOND);
      const keys = [decodeSigningSecret(notification.secret)];
      const { status } = await this.egress.post({
        url: notification.address,
        headers: {
          'content-type': 'application/json',
          'user-agent': this.userAgent.text,
          'webhook-id': notification.id,
          'webhook-timestamp': String(timestamp),
          'webhook-signature': signStandardWebhook(keys, notification.id, timestamp, body),
        },
        body,
        lane: `${LANE}:${notification.tenantId}`,
      });
      return { delivered: status >= 200 && status < 300, detail: `HTTP ${status}` };
    } catch (error) {
      return { delivered: false, detail: outcomeOfError(error) };
    }
  }

  private async mail(notification: NotificationToSend): Promise<Told> {
    try {
      await this.relay.send({
        ...writeNotification(notification),
        to: notification.address,
        // The same on every attempt: a mail that comes twice can be told.
        messageId: `<${notification.id}@posthorn.notifications>`,
        date: new Date(notification.createdAtMs),
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
      return { delivered: true, detail: 'taken by the relay' };
    } catch (error) {
      return { delivered: false, detail: smtpReasonOf(error) };
    }
  }
}
