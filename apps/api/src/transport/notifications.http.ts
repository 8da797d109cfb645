import { Controller } from '@nestjs/common';
import { AppError } from '@posthorn/errors/app-error.js';
import { type z } from 'zod';
import { DispatcherClient } from '../clients/dispatcher.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf } from './applied.js';
import {
  notifications,
  notificationsOf,
  notificationsSet,
  notificationsTested,
  putNotifications,
} from './notifications.dto.js';
import { type Call, CallOf, Route } from './route.js';

const read = { principal: 'tenant', scope: 'tenant:read' } as const;
const write = { principal: 'tenant', scope: 'tenant:write' } as const;
const BASE = '/v1/tenants/{tenant}/notifications';

/** Where an owner is told of a disabled destination, a source that fails, or a key that expires. */
@Controller()
export class NotificationsController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly dispatcher: DispatcherClient,
  ) {}

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Notifications',
    summary:
      'Where the owner is told of a disabled destination, of a source to which nothing authentic comes any more, and of a key that expires within seven days',
    access: read,
    status: 200,
    response: notifications,
  })
  async get(@CallOf() { tenant }: Call) {
    const answer = await this.tenants.notifications.getNotifications(
      { tenant: tenant.id },
      this.tenants.read,
    );
    return notificationsOf(answer.channels);
  }

  @Route({
    method: 'PUT',
    path: BASE,
    tag: 'Notifications',
    summary: 'Set where the owner is told; replaces both channels',
    access: write,
    body: putNotifications,
    status: 200,
    response: notificationsSet,
    errors: ['destination.address_forbidden'],
    secretPaths: ['signingSecret'],
  })
  async put(@CallOf() call: Call<z.infer<typeof putNotifications>>) {
    const { email, webhook } = call.body;
    if (email !== null) await this.requireRelay();
    const answer = await this.tenants.notifications.putNotifications(
      {
        ...{ actor: actorOf(call), tenant: call.tenant.id, email: email ?? '' },
        webhookUrl: webhook?.url ?? '',
        newWebhookSecret: webhook?.newSecret ?? false,
      },
      this.tenants.change,
    );
    return { ...notificationsOf(answer.channels), signingSecret: answer.webhookSecret || null };
  }

  @Route({
    method: 'POST',
    path: `${BASE}/test`,
    tag: 'Notifications',
    summary: 'Tell each channel that this is a test; GET says how that went',
    access: write,
    status: 202,
    response: notificationsTested,
  })
  async test(@CallOf() call: Call) {
    return this.tenants.notifications.testNotifications(
      { actor: actorOf(call), tenant: call.tenant.id },
      this.tenants.change,
    );
  }

  /** @throws AppError `request.invalid` naming `email`: nothing would ever be sent. */
  private async requireRelay(): Promise<void> {
    const { channels } = await this.dispatcher.notificationRoutes.listNotificationRoutes(
      {},
      this.dispatcher.read,
    );
    if (channels.includes('email')) return;
    const message = 'this platform has no mail relay (SMTP_URL of dispatcher): set a webhook instead';
    throw new AppError('request.invalid', { fields: [{ path: 'email', message }] });
  }
}
