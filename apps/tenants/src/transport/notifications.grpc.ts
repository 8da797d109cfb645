import { type Metadata } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid } from '@posthorn/clock/id.js';
import {
  type ClaimNotificationsRequest,
  type ClaimNotificationsResponse,
  type GetNotificationsRequest,
  type GetNotificationsResponse,
  type NotificationChannel,
  type PutNotificationsRequest,
  type PutNotificationsResponse,
  type SettleNotificationRequest,
  type SettleNotificationResponse,
  type TestNotificationsRequest,
  type TestNotificationsResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { callerOfCall } from '@posthorn/server/grpc-service.js';
import { DeliverNotifications, type NotificationToSend } from '../application/deliver-notifications.js';
import { type ChannelView, SetNotifications } from '../application/set-notifications.js';
import { actorOf, serviceActor } from './messages.js';

const SERVICE = 'NotificationService';
const DELIVERY = 'NotificationDeliveryService';

/** Where tenants are told of what goes wrong, and what is to be told. */
@Controller()
export class NotificationController {
  constructor(
    private readonly set: SetNotifications,
    private readonly deliver: DeliverNotifications,
  ) {}

  @GrpcMethod(SERVICE, 'getNotifications')
  async getNotifications({ tenant }: GetNotificationsRequest): Promise<GetNotificationsResponse> {
    return { channels: (await this.set.list(tenant)).map(channelMessage) };
  }

  @GrpcMethod(SERVICE, 'putNotifications')
  async putNotifications(request: PutNotificationsRequest): Promise<PutNotificationsResponse> {
    const { channels, webhookSecret } = await this.set.run(actorOf(request.actor), request.tenant, request);
    return { channels: channels.map(channelMessage), webhookSecret: webhookSecret ?? '' };
  }

  @GrpcMethod(SERVICE, 'testNotifications')
  async testNotifications({ actor, tenant }: TestNotificationsRequest): Promise<TestNotificationsResponse> {
    return { ids: await this.set.test(actorOf(actor), tenant) };
  }

  @GrpcMethod(DELIVERY, 'claimNotifications')
  async claimNotifications(request: ClaimNotificationsRequest): Promise<ClaimNotificationsResponse> {
    const { limit, leaseSeconds, channels } = request;
    const notifications = await this.deliver.claim(limit, leaseSeconds, channels);
    return { notifications: notifications.map(toSendMessage) };
  }

  @GrpcMethod(DELIVERY, 'settleNotification')
  async settleNotification(
    request: SettleNotificationRequest,
    metadata: Metadata,
  ): Promise<SettleNotificationResponse> {
    return { state: (await this.deliver.settle(serviceActor(callerOfCall(metadata)), request)) ?? '' };
  }
}

const channelMessage = ({ last, ...channel }: ChannelView): NotificationChannel => ({
  ...channel,
  last: last && {
    id: idOfUuid('ntf', last.notificationId),
    kind: last.kind,
    state: last.state,
    createdAtMs: last.createdAtMs,
    attempts: last.attempts,
    detail: last.detail,
  },
});

const toSendMessage = (from: NotificationToSend) => ({
  id: idOfUuid('ntf', from.notificationId),
  tenantId: idOfUuid('ten', from.tenantId),
  tenantSlug: from.slug,
  kind: from.kind,
  channel: from.channel,
  address: from.address,
  secret: from.secret,
  dataJson: from.dataJson,
  createdAtMs: from.createdAtMs,
  attempt: from.attempt,
});
