import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type ListNotificationRoutesResponse } from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { NotificationRoutes } from '../application/run-notifications.js';

/** Ways in which tenants can be told of what goes wrong. */
@Controller()
export class NotificationRouteController {
  constructor(private readonly routes: NotificationRoutes) {}

  @GrpcMethod('NotificationRouteService', 'listNotificationRoutes')
  listNotificationRoutes(): ListNotificationRoutesResponse {
    return { channels: this.routes.channels() };
  }
}
