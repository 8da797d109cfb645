import {
  AppendServiceService,
  type CheckOwnerResponse,
  ConversationServiceService,
  type DescribeHandoffResponse,
  EventContent,
  FactServiceService,
  type ListFactsRequest,
  type ListFactsResponse,
  MediaServiceService,
  type ServiceEvent,
  SettleMediumRequest_Outcome as Outcome,
  type ShardHeads,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const SERVICE = 'dispatcher';
const DEADLINE_MS = 5_000;
const OWNER_DEADLINE_MS = 1_000;
/** Less than a destination has to answer: the attempt holds its place in the meantime. */
const HANDOFF_DEADLINE_MS = 3_000;
/** It carries a whole medium. */
const STORE_DEADLINE_MS = 20_000;
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
  /** Of a destination that was disabled; empty for everything else. */
  readonly destinationId: Buffer;
}

/** A conversation, and who is to be written to on which channel. IDs and hash are 16 bytes. */
export interface OwnerQuestion {
  readonly tenantId: Buffer;
  readonly conversationId: Buffer;
  readonly personHash: Buffer;
  readonly channel: string;
}

/** A medium of an event, by its place in the message. IDs are 16 bytes. */
export interface MediumName {
  readonly tenantId: Buffer;
  readonly eventId: Buffer;
  readonly index: number;
}

/** One that this process is to fetch. */
export interface MediumToFetch extends MediumName {
  readonly sourceId: Buffer;
  readonly provider: string;
  /** As the message says it: personal data. */
  readonly url: string;
  readonly maxBytes: number;
}

/** What became of one that was not fetched. */
export interface MediumEnd {
  readonly kind: 'retry' | 'gone' | 'refused' | 'too_large';
  /** A word of ours, or `http_<status>`. */
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
}

const OUTCOMES = {
  retry: Outcome.OUTCOME_RETRY,
  gone: Outcome.OUTCOME_GONE,
  refused: Outcome.OUTCOME_REFUSED,
  too_large: Outcome.OUTCOME_TOO_LARGE,
} as const satisfies Record<MediumEnd['kind'], Outcome>;

/** The owner of the log: facts from it, what we did to it, and who a conversation belongs to. */
export class EventsClient {
  private readonly facts;
  private readonly appends;
  private readonly conversations;
  private readonly media;

  constructor(channel: EventsChannel) {
    this.facts = grpcClient(FactServiceService, channel);
    this.appends = grpcClient(AppendServiceService, channel);
    this.conversations = grpcClient(ConversationServiceService, channel);
    this.media = grpcClient(MediaServiceService, channel);
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

  /** Media that are due, which nobody else fetches until the lease ends. */
  async claimMedia(instanceId: string, limit: number, leaseSeconds: number): Promise<MediumToFetch[]> {
    const { media } = await this.media.claimMedia({ instanceId, limit, leaseSeconds }, call);
    return media.flatMap(({ name, ...medium }) => (name === undefined ? [] : [{ ...name, ...medium }]));
  }

  /** @returns false when this process does not have it any more, or it was taken away meanwhile. */
  async storeMedium(
    instanceId: string,
    { tenantId, eventId, index }: MediumName,
    { contentType, body }: { readonly contentType: string; readonly body: Buffer },
  ): Promise<boolean> {
    const request = { instanceId, name: { tenantId, eventId, index }, contentType, body };
    return (await this.media.storeMedium(request, { deadlineMs: STORE_DEADLINE_MS })).stored;
  }

  /** Says why one was not fetched. */
  async settleMedium(
    instanceId: string,
    { tenantId, eventId, index }: MediumName,
    { kind, reason, retryAfterMs = 0 }: MediumEnd,
  ): Promise<void> {
    const name = { tenantId, eventId, index };
    await this.media.settleMedium({ instanceId, name, outcome: OUTCOMES[kind], reason, retryAfterMs }, call);
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
    direction: row.destinationId.length > 0 ? '' : 'outbound',
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
    destinationId: row.destinationId.length > 0 ? row.destinationId : undefined,
  },
});
