import { type NotificationChannel } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { time, timeAt } from './shapes.dto.js';

const EMAIL_MAX = 254;
const URL_MAX = 2_048;

export const putNotifications = z.strictObject({
  email: z
    .email()
    .max(EMAIL_MAX)
    .nullable()
    .default(null)
    .describe('taken where the platform has a mail relay; null: none'),
  webhook: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }).max(URL_MAX),
      newSecret: z
        .boolean()
        .default(false)
        .describe('makes a new signing secret; the former one ends at once'),
    })
    .nullable()
    .default(null)
    .describe('signed as deliveries are; null: none'),
});

const last = z
  .object({
    id: z.string().describe('ntf_…, which a webhook has as its webhook-id'),
    kind: z.enum(['destination.disabled', 'key.expiring', 'source.failing', 'notification.test']),
    state: z.enum(['pending', 'delivered', 'dropped']),
    createdAt: time,
    attempts: z.number(),
    detail: z.string().describe('of the last attempt'),
  })
  .nullable()
  .describe('the latest that was told this way');
export const notifications = z.object({
  email: z.object({ address: z.string(), createdAt: time, last }).nullable(),
  webhook: z.object({ url: z.string(), createdAt: time, last }).nullable(),
});
export const notificationsSet = notifications.extend({
  signingSecret: z
    .string()
    .nullable()
    .describe('whsec_… of the webhook, shown once: when it is new, or newSecret asks for another'),
});
export const notificationsTested = z.object({ ids: z.array(z.string()) });

/** Channels as the API shows them. */
export function notificationsOf(channels: readonly NotificationChannel[]): z.infer<typeof notifications> {
  const of = (kind: string) => channels.find((channel) => channel.kind === kind);
  const shared = ({ createdAtMs, last }: NotificationChannel) => ({
    createdAt: timeAt(createdAtMs),
    last:
      last === undefined
        ? null
        : {
            ...{ id: last.id, kind: last.kind as 'key.expiring', state: last.state as 'pending' },
            ...{ createdAt: timeAt(last.createdAtMs), attempts: last.attempts, detail: last.detail },
          },
  });
  const [email, webhook] = [of('email'), of('webhook')];
  return {
    email: email === undefined ? null : { address: email.address, ...shared(email) },
    webhook: webhook === undefined ? null : { url: webhook.address, ...shared(webhook) },
  };
}
