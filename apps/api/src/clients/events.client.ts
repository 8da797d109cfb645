import {
  ConversationQueryServiceService,
  EventQueryServiceService,
  HandoffServiceService,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const READ_DEADLINE_MS = 5_000;
const ACT_DEADLINE_MS = 5_000;

/** Reads of events, messages and conversations, and what people do with conversations. */
export class EventsClient {
  readonly query;
  readonly conversations;
  readonly handoffs;
  readonly read = { deadlineMs: READ_DEADLINE_MS };
  readonly act = { deadlineMs: ACT_DEADLINE_MS };

  constructor(private readonly channel: GrpcChannel) {
    this.query = grpcClient(EventQueryServiceService, channel);
    this.conversations = grpcClient(ConversationQueryServiceService, channel);
    this.handoffs = grpcClient(HandoffServiceService, channel);
  }

  onApplicationShutdown(): void {
    this.channel.onApplicationShutdown();
  }
}
