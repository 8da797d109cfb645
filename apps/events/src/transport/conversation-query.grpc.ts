import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid, uuidText } from '@posthorn/clock/id.js';
import {
  type CheckOwnerRequest,
  type CheckOwnerResponse,
  type DescribeHandoffRequest,
  type DescribeHandoffResponse,
  type GetConversationRequest,
  type GetConversationResponse,
  type GetHandoffRequest,
  type GetHandoffResponse,
  type ListAgentQueueRequest,
  type ListAgentQueueResponse,
  type ListConversationsRequest,
  type ListConversationsResponse,
  type ListPersonEventsRequest,
  type ListPersonEventsResponse,
  type ListTextsRequest,
  type ListTextsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { CheckOwners } from '../application/check-owners.js';
import { ComposePackage } from '../application/compose-package.js';
import { DescribeHandoff } from '../application/describe-handoff.js';
import { ReadTexts } from '../application/read-texts.js';
import { pageLimit } from '../domain/page.js';
import { ConversationRead } from '../persistence/conversation.read.js';
import { ReaderDatabase } from '../persistence/databases.js';
import { MessageRead } from '../persistence/message.read.js';
import { PersonRead } from '../persistence/person.read.js';
import { conversationOf, handoffMessageOf, personEventOf, placeCursor, placeOf } from './conversation.dto.js';
import { afterOf, cursorOf, messageOf, uuidOr } from './event-query.dto.js';

const ID_BYTES = 16;
const MESSAGES_MAX = 50;
const PERSON_HASHES_MAX = 32;

/** Reads of conversations, under row-level security. */
@Controller()
export class ConversationQueryController {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly conversations: ConversationRead,
    private readonly messages: MessageRead,
    private readonly people: PersonRead,
    private readonly compose: ComposePackage,
    private readonly describe: DescribeHandoff,
    private readonly texts: ReadTexts,
    private readonly owners: CheckOwners,
  ) {}

  @GrpcMethod('ConversationQueryService', 'listConversations')
  async listConversations(request: ListConversationsRequest): Promise<ListConversationsResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const [after, limit] = [placeOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.conversations.list(tx, tenant, request, after, limit),
    );
    return { conversations: items.map(conversationOf), nextCursor: placeCursor(next) };
  }

  @GrpcMethod('ConversationQueryService', 'getConversation')
  async getConversation({ tenantId, id }: GetConversationRequest): Promise<GetConversationResponse> {
    const tenant = uuidOr('ten', tenantId, 'tenant.not_found');
    const conversationId = uuidOr('cnv', id, 'conversation.not_found');
    const [view, messages, handoff] = await this.db.tenantTransaction(tenant, (tx) =>
      Promise.all([
        this.conversations.get(tx, tenant, conversationId),
        this.messages.ofConversation(tx, tenant, conversationId, MESSAGES_MAX),
        this.conversations.openHandoff(tx, tenant, conversationId),
      ]),
    );
    if (view === undefined) throw new AppError('conversation.not_found');
    return {
      conversation: conversationOf(view),
      messages: messages.map(messageOf),
      handoff: handoff && handoffMessageOf(handoff),
    };
  }

  @GrpcMethod('ConversationQueryService', 'listAgentQueue')
  async listAgentQueue(request: ListAgentQueueRequest): Promise<ListAgentQueueResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const [after, limit] = [placeOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.conversations.queue(tx, tenant, request.queue, after, limit),
    );
    return { handoffs: items.map(handoffMessageOf), nextCursor: placeCursor(next) };
  }

  @GrpcMethod('ConversationQueryService', 'getHandoff')
  async getHandoff(request: GetHandoffRequest): Promise<GetHandoffResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const of =
      request.id === ''
        ? { conversationId: uuidOr('cnv', request.conversationId, 'conversation.not_found') }
        : { handoffId: uuidOr('evt', request.id, 'handoff.not_found') };
    const { handoff, full, flat } = await this.compose.run(tenant, of, request.historyLimit);
    return { handoff: handoffMessageOf(handoff), packageJson: full, flatJson: flat };
  }

  @GrpcMethod('ConversationQueryService', 'listPersonEvents')
  async listPersonEvents(request: ListPersonEventsRequest): Promise<ListPersonEventsResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const { personHashes } = request;
    if (
      personHashes.length === 0 ||
      personHashes.length > PERSON_HASHES_MAX ||
      personHashes.some((hash) => hash.length !== ID_BYTES)
    )
      throw new AppError('request.invalid', {
        fields: [{ path: 'personHashes', message: `must be 1 to ${PERSON_HASHES_MAX} hashes of 16 bytes` }],
      });
    const [after, limit] = [afterOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.people.events(tx, tenant, personHashes, request, after, limit),
    );
    return { events: items.map(personEventOf), nextCursor: cursorOf(next) };
  }

  @GrpcMethod('ConversationService', 'checkOwner')
  async checkOwner(request: CheckOwnerRequest): Promise<CheckOwnerResponse> {
    const { tenantId, conversationId } = request;
    if (tenantId.length !== ID_BYTES || conversationId.length !== ID_BYTES)
      throw new AppError('request.invalid', { detail: 'tenant and conversation must be IDs of 16 bytes' });
    const { handoffState, fencingToken, ...known } = await this.owners.run(request);
    const isOwned = handoffState === 'claimed';
    return {
      owner: isOwned ? 'agent' : 'bot',
      fencingToken: isOwned ? fencingToken : 0n,
      handoffState,
      ...known,
    };
  }

  @GrpcMethod('ConversationService', 'describeHandoff')
  async describeHandoff({ tenantId, eventId }: DescribeHandoffRequest): Promise<DescribeHandoffResponse> {
    if (tenantId.length !== ID_BYTES || eventId.length !== ID_BYTES)
      throw new AppError('request.invalid', { detail: 'tenant and event must be IDs of 16 bytes' });
    const found = await this.describe.run(uuidText(tenantId), uuidText(eventId));
    return {
      handoffId: found === undefined ? '' : idOfUuid('evt', found.handoffId),
      isErased: found !== undefined && found.composed === undefined,
      packageJson: found?.composed?.full ?? '',
      flatJson: found?.composed?.flat ?? '',
    };
  }

  @GrpcMethod('TextService', 'listTexts')
  async listTexts({ tenantId, eventIds }: ListTextsRequest): Promise<ListTextsResponse> {
    return { texts: await this.texts.run(tenantId, eventIds) };
  }
}
