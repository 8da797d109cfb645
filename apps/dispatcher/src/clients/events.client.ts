import {
  AppendServiceService,
  type CheckOwnerResponse,
  ConversationServiceService,
  type DescribeHandoffResponse,
  EventContent,
  FactServiceService,
  type ListFactsRequest,
  type ListFactsResponse,
  type ServiceEvent,
  type ShardHeads,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const SERVICE = 'dispatcher';
const DEADLINE_MS = 5_000;
const OWNER_DEADLINE_MS = 1_000;
/** Less than a destination has to answer: the attempt holds its place in the meantime. */
const HANDOFF_DEADLINE_MS = 3_000;
const call = { deadlineMs: DEADLINE_MS };

/** The connection to events. */
export class EventsChannel extends GrpcChannel {}

/** One row of the outgoing table. IDs are 16 bytes, empty when there is none. */
export interface OutgoingRow {
  readonly number: bigint;
  readonly eventId: Buffer;
  readonly tenantId: Buffer;
  readonly messageId: Buffer;
  readonly sourceId: Buffer;
  readonly type: string;
  readonly status: string;
  readonly personHash: Buffer;
  readonly conversationHash: Buffer;
  readonly causedBy: Buffer;
  readonly channel: string;
  readonly campaign: string;
  readonly providerMessageId: string;
  readonly errorCode: string;
  readonly signal: string;
  readonly note: string;
  readonly occurredAtMs: number;
  readonly traceparent: string;
  readonly content: Buffer;
  readonly dataKeyId: Buffer;
}

/** A conversation, and who is to be written to on which channel. IDs and hash are 16 bytes. */
export interface OwnerQuestion {
  readonly tenantId: Buffer;
  readonly conversationId: Buffer;
  readonly personHash: Buffer;
  readonly channel: string;
}

/** The owner of the log: facts from it, what we did to it, and who a conversation belongs to. */
export class EventsClient {
  private readonly facts;
  private readonly appends;
  private readonly conversations;

  constructor(channel: EventsChannel) {
    this.facts = grpcClient(FactServiceService, channel);
    this.appends = grpcClient(AppendServiceService, channel);
    this.conversations = grpcClient(ConversationServiceService, channel);
  }

  listFacts(request: ListFactsRequest): Promise<ListFactsResponse> {
    return this.facts.listFacts(request, call);
  }

  async getHeads(): Promise<ShardHeads> {
    const { heads } = await this.facts.getHeads({}, call);
    return heads ?? { epoch: '', heads: [] };
  }

  /** Who may write into a conversation now, and when that person last did. */
  checkOwner({ tenantId, conversationId, personHash, channel }: OwnerQuestion): Promise<CheckOwnerResponse> {
    return this.conversations.checkOwner(
      { tenantId, conversationId, personHash, channel },
      { deadlineMs: OWNER_DEADLINE_MS },
    );
  }

  /** The context package of the hand-off behind an event: personal data. IDs are 16 bytes. */
  describeHandoff(tenantId: Buffer, eventId: Buffer): Promise<DescribeHandoffResponse> {
    return this.conversations.describeHandoff({ tenantId, eventId }, { deadlineMs: HANDOFF_DEADLINE_MS });
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

/** The plaintext of what the log gets of a message. */
export const encodeEventContent = (content: {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly subject: string;
  readonly mediaUrls: readonly string[];
}): Uint8Array => EventContent.encode({ ...content, mediaUrls: [...content.mediaUrls] }).finish();

const serviceEventOf = (row: OutgoingRow): ServiceEvent => ({
  number: row.number,
  eventId: row.eventId,
  tenantId: row.tenantId,
  type: row.type,
  personHash: row.personHash,
  occurredAtMs: row.occurredAtMs,
  traceparent: row.traceparent,
  sourceId: row.sourceId,
  dataKeyId: row.dataKeyId,
  content: row.content,
  attributes: {
    providerEventId: '',
    providerMessageId: row.providerMessageId,
    channel: row.channel,
    direction: 'outbound',
    status: row.status,
    providerStatus: '',
    errorCode: row.errorCode,
    campaign: row.campaign,
    signal: row.signal,
    conversationHash: row.conversationHash,
    providerType: '',
    causedBy: row.causedBy,
    note: row.note,
    messageId: row.messageId,
    replyToProviderMessageId: '',
  },
});
