import { EventQueryServiceService } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const READ_DEADLINE_MS = 5_000;

/** Reads of events and messages. */
export class EventsClient {
  readonly query;
  readonly read = { deadlineMs: READ_DEADLINE_MS };

  constructor(private readonly channel: GrpcChannel) {
    this.query = grpcClient(EventQueryServiceService, channel);
  }

  onApplicationShutdown(): void {
    this.channel.onApplicationShutdown();
  }
}
