import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { uuidBytes } from '@posthorn/clock/id.js';
import {
  EventContent,
  type GetEventMediumRequest,
  type GetEventMediumResponse,
  type GetEventPayloadRequest,
  type GetEventPayloadResponse,
  type GetEventRequest,
  type GetEventResponse,
  type GetEventTimelineRequest,
  type GetEventTimelineResponse,
  type GetMessageRequest,
  type GetMessageResponse,
  type ListEventsRequest,
  type ListEventsResponse,
  type ListMessagesRequest,
  type ListMessagesResponse,
  RawRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { ReadMedium } from '../application/read-medium.js';
import { ReadPayload } from '../application/read-payload.js';
import { pageLimit } from '../domain/page.js';
import { ReaderDatabase } from '../persistence/databases.js';
import { EventRead, type EventRecord } from '../persistence/event.read.js';
import { MediaRead } from '../persistence/media.read.js';
import { MessageRead } from '../persistence/message.read.js';
import { RuleEffectRead } from '../persistence/rule-effect.read.js';
import { ruleEntryOf } from './rule.dto.js';
import { afterOf, cursorOf, entriesOf, eventOf, filterUuid, messageOf, uuidOr } from './event-query.dto.js';

/** Reads for the REST API, under row-level security. */
@Controller()
export class EventQueryController {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly events: EventRead,
    private readonly messages: MessageRead,
    private readonly payload: ReadPayload,
    private readonly effects: RuleEffectRead,
    private readonly media: MediaRead,
    private readonly medium: ReadMedium,
  ) {}

  @GrpcMethod('EventQueryService', 'listEvents')
  async listEvents(request: ListEventsRequest): Promise<ListEventsResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const filter = {
      type: request.type,
      sourceId: filterUuid('src', request.sourceId),
      messageId: filterUuid('msg', request.messageId),
      conversationId: filterUuid('cnv', request.conversationId),
      providerEventId: request.providerEventId,
      state: request.state,
      isAuthentic: request.authentic,
      fromMs: request.fromMs,
      toMs: request.toMs,
    };
    const [after, limit] = [afterOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.events.list(tx, tenant, filter, after, limit),
    );
    return { events: items.map(eventOf), nextCursor: cursorOf(next) };
  }

  @GrpcMethod('EventQueryService', 'getEvent')
  async getEvent({ tenantId, id }: GetEventRequest): Promise<GetEventResponse> {
    const record = await this.find(tenantId, id);
    const tenant = uuidOr('ten', tenantId, 'tenant.not_found');
    const media = await this.db.tenantTransaction(tenant, (tx) =>
      this.media.ofEvent(tx, tenant, record.eventId),
    );
    return { event: eventOf(record), media };
  }

  @GrpcMethod('EventQueryService', 'getEventMedium')
  getEventMedium({ tenantId, id, index }: GetEventMediumRequest): Promise<GetEventMediumResponse> {
    const [tenant, event] = [
      uuidOr('ten', tenantId, 'tenant.not_found'),
      uuidOr('evt', id, 'event.not_found'),
    ];
    return this.medium.run(tenant, event, index);
  }

  @GrpcMethod('EventQueryService', 'getEventTimeline')
  async getEventTimeline({ tenantId, id }: GetEventTimelineRequest): Promise<GetEventTimelineResponse> {
    const record = await this.find(tenantId, id);
    const tenant = uuidOr('ten', tenantId, 'tenant.not_found');
    const effects = await this.db.tenantTransaction(tenant, (tx) =>
      this.effects.ofEvent(tx, tenant, record.eventId),
    );
    const entries = [...entriesOf(record), ...effects.map(ruleEntryOf)];
    const factIds = entries.flatMap(({ factId }) => (factId === '' ? [] : [factId]));
    return { event: eventOf(record), entries, factIds };
  }

  @GrpcMethod('EventQueryService', 'getEventPayload')
  async getEventPayload({ tenantId, id }: GetEventPayloadRequest): Promise<GetEventPayloadResponse> {
    const tenant = uuidBytes(uuidOr('ten', tenantId, 'tenant.not_found'));
    const { raw, content } = await this.payload.run(tenant, uuidBytes(uuidOr('evt', id, 'event.not_found')));
    return {
      request: raw && RawRequest.decode(raw),
      content: content && EventContent.decode(content),
    };
  }

  @GrpcMethod('EventQueryService', 'listMessages')
  async listMessages(request: ListMessagesRequest): Promise<ListMessagesResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const [after, limit] = [afterOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.messages.list(tx, tenant, request, after, limit),
    );
    return { messages: items.map(messageOf), nextCursor: cursorOf(next) };
  }

  @GrpcMethod('EventQueryService', 'getMessage')
  async getMessage({ tenantId, id }: GetMessageRequest): Promise<GetMessageResponse> {
    const tenant = uuidOr('ten', tenantId, 'tenant.not_found');
    const messageId = uuidOr('msg', id, 'message.not_found');
    const message = await this.db.tenantTransaction(tenant, (tx) => this.messages.get(tx, tenant, messageId));
    if (message === undefined) throw new AppError('message.not_found');
    return { message: messageOf(message) };
  }

  private async find(tenantId: string, id: string): Promise<EventRecord> {
    const tenant = uuidOr('ten', tenantId, 'tenant.not_found');
    const eventId = uuidOr('evt', id, 'event.not_found');
    const record = await this.db.tenantTransaction(tenant, (tx) => this.events.get(tx, tenant, eventId));
    if (record === undefined) throw new AppError('event.not_found');
    return record;
  }
}
