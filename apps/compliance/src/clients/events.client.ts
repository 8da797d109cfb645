import {
  AppendServiceService,
  type EventText,
  FactServiceService,
  type ListFactsRequest,
  type ListFactsResponse,
  type ServiceEvent,
  type ShardHeads,
  TextServiceService,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { FactSource } from '@posthorn/jetstream/fact-feed.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const SERVICE = 'compliance';
const DEADLINE_MS = 5_000;
const call = { deadlineMs: DEADLINE_MS };

/** Events of one question for texts. */
export const TEXTS_MAX = 256;

/** One row of the outgoing table. */
export interface OutgoingRow {
  readonly number: bigint;
  readonly eventId: Buffer;
  readonly tenantId: Buffer;
  readonly type: string;
  readonly personHash: Buffer;
  readonly channel: string;
  /** Where the person stands now. */
  readonly status: string;
  readonly causedBy: Buffer;
  readonly occurredAtMs: number;
  readonly traceparent: string;
  /** Nobody vouches for the event that caused it. */
  readonly isUnverified: boolean;
}

/** The owner of the log: facts from it, and what we did to it. */
export class EventsClient implements FactSource {
  private readonly appends;
  private readonly facts;
  private readonly texts;

  constructor(channel: GrpcChannel) {
    this.appends = grpcClient(AppendServiceService, channel);
    this.facts = grpcClient(FactServiceService, channel);
    this.texts = grpcClient(TextServiceService, channel);
  }

  listFacts(request: ListFactsRequest): Promise<ListFactsResponse> {
    return this.facts.listFacts(request, call);
  }

  async getHeads(): Promise<ShardHeads> {
    return (await this.facts.getHeads({}, call)).heads ?? { epoch: '', heads: [] };
  }

  /** What these messages say; those whose text is gone are left out. @param eventIds at most TEXTS_MAX. */
  async listTexts(tenantId: Buffer, eventIds: Buffer[]): Promise<EventText[]> {
    return (await this.texts.listTexts({ tenantId, eventIds }, call)).texts;
  }

  /**
   * @returns the number up to which everything is in the log.
   * @throws AppError `request.invalid` when the first one can never be.
   */
  async append(rows: readonly OutgoingRow[]): Promise<bigint> {
    const events = rows.map(serviceEventOf);
    const { storedThrough } = await this.appends.appendServiceEvents({ service: SERVICE, events }, call);
    return storedThrough;
  }
}

const NONE = Buffer.alloc(0);
/** As the log marks what nobody vouches for, with the cause: here that what it follows from is such an event. */
const UNAUTHENTIC_NOTE = 'unauthentic: event.unauthentic';

/** No signal in it: the log's fact of this event comes back here, and must not count as a new one. */
const serviceEventOf = (row: OutgoingRow): ServiceEvent => ({
  number: row.number,
  eventId: row.eventId,
  tenantId: row.tenantId,
  type: row.type,
  personHash: row.personHash,
  occurredAtMs: row.occurredAtMs,
  traceparent: row.traceparent,
  sourceId: NONE,
  dataKeyId: NONE,
  content: NONE,
  attributes: {
    providerEventId: '',
    providerMessageId: '',
    channel: row.channel,
    direction: '',
    status: row.status,
    providerStatus: '',
    errorCode: '',
    campaign: '',
    signal: '',
    conversationHash: NONE,
    providerType: '',
    causedBy: row.causedBy,
    note: row.isUnverified ? UNAUTHENTIC_NOTE : '',
    messageId: NONE,
    replyToProviderMessageId: '',
  },
});
