import {
  CommandQueryServiceService,
  CommandServiceService,
  DeliveryQueryServiceService,
  DeliveryServiceService,
  ErasureServiceService,
  NotificationRouteServiceService,
  RetentionQueryServiceService,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import {
  SourceFiguresServiceService,
  StatusServiceService,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const READ_DEADLINE_MS = 5_000;
/** A test delivery waits for the destination, up to the dispatcher's own request timeout. */
const ACT_DEADLINE_MS = 35_000;
/** All commands to one person, however many. */
const LONG_DEADLINE_MS = 30_000;

/** Deliveries and messages to send: reads, acts on them, their erasure, and what is kept of them no more. */
export class DispatcherClient {
  readonly status;
  readonly figures;
  readonly query;
  readonly deliveries;
  readonly commandQuery;
  readonly commands;
  readonly erasures;
  readonly retention;
  readonly notificationRoutes;
  readonly read = { deadlineMs: READ_DEADLINE_MS };
  readonly act = { deadlineMs: ACT_DEADLINE_MS };
  readonly long = { deadlineMs: LONG_DEADLINE_MS };

  constructor(private readonly channel: GrpcChannel) {
    this.status = grpcClient(StatusServiceService, channel);
    this.figures = grpcClient(SourceFiguresServiceService, channel);
    this.query = grpcClient(DeliveryQueryServiceService, channel);
    this.deliveries = grpcClient(DeliveryServiceService, channel);
    this.commandQuery = grpcClient(CommandQueryServiceService, channel);
    this.commands = grpcClient(CommandServiceService, channel);
    this.erasures = grpcClient(ErasureServiceService, channel);
    this.notificationRoutes = grpcClient(NotificationRouteServiceService, channel);
    this.retention = grpcClient(RetentionQueryServiceService, channel);
  }

  onApplicationShutdown(): void {
    this.channel.onApplicationShutdown();
  }
}
