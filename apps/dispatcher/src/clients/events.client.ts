import {
  FactServiceService,
  type ListFactsRequest,
  type ListFactsResponse,
  type ShardHeads,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const DEADLINE_MS = 5_000;

/** The connection to events. */
export class EventsChannel extends GrpcChannel {}

/** The owner of the facts. */
export class EventsClient {
  private readonly facts;

  constructor(channel: EventsChannel) {
    this.facts = grpcClient(FactServiceService, channel);
  }

  listFacts(request: ListFactsRequest): Promise<ListFactsResponse> {
    return this.facts.listFacts(request, { deadlineMs: DEADLINE_MS });
  }

  async getHeads(): Promise<ShardHeads> {
    const { heads } = await this.facts.getHeads({}, { deadlineMs: DEADLINE_MS });
    return heads ?? { epoch: '', heads: [] };
  }
}
