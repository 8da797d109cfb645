import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { ExplainEvent } from '../application/explain-event.js';
import { EventsClient } from '../clients/events.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf } from './applied.js';
import { event, eventOf, eventsQuery, eventWithMedia, mediumOf, payload, timeline } from './events.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, textOf, timeAt } from './shapes.dto.js';

const EVENTS = '/v1/tenants/{tenant}/events';
const readEvents = { principal: 'tenant', scope: 'events:read' } as const;

/** Events, their timelines and payloads. */
@Controller()
export class EventsController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly events: EventsClient,
    private readonly explain: ExplainEvent,
  ) {}

  @Route({
    method: 'GET',
    path: EVENTS,
    tag: 'Events',
    summary: 'List events, newest first',
    access: readEvents,
    query: eventsQuery,
    status: 200,
    response: listOf(event),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof eventsQuery>>) {
    const answer = await this.events.query.listEvents(
      {
        tenantId: tenant.id,
        limit: query.limit,
        cursor: query.cursor ?? '',
        type: query.type ?? '',
        sourceId: query.source ?? '',
        messageId: query.messageId ?? '',
        conversationId: query.conversationId ?? '',
        providerEventId: query.providerEventId ?? '',
        fromMs: query.from,
        toMs: query.to,
        state: query.state ?? '',
        authentic: query.authentic === undefined ? undefined : query.authentic === 'true',
      },
      this.events.read,
    );
    return { data: answer.events.map(eventOf), nextCursor: answer.nextCursor || null };
  }

  @Route({
    method: 'GET',
    path: `${EVENTS}/{id}`,
    tag: 'Events',
    summary: 'One event',
    access: readEvents,
    status: 200,
    response: eventWithMedia,
    errors: ['event.not_found'],
  })
  async get(@CallOf() call: Call) {
    const answer = await this.events.query.getEvent(
      { tenantId: call.tenant.id, id: call.params['id']! },
      this.events.read,
    );
    return { ...eventOf(answer.event!), media: answer.media.map(mediumOf) };
  }

  @Route({
    method: 'GET',
    path: `${EVENTS}/{id}/timeline`,
    tag: 'Events',
    summary: 'Every stage, transition, delivery and attempt of one event',
    access: readEvents,
    status: 200,
    response: timeline,
    errors: ['event.not_found'],
  })
  async timeline(@CallOf() call: Call) {
    const story = await this.explain.run(call.tenant.id, call.params['id']!);
    return {
      event: eventOf(story.event),
      entries: story.entries.map((entry) => ({
        at: timeAt(entry.atMs),
        stage: entry.stage,
        detail: entry.detail,
        sinceReceivedMs: Math.round((entry.atMs - story.event.receivedAtMs) * 1_000) / 1_000,
        factId: textOf(entry.factId),
        messageId: textOf(entry.messageId),
        conversationId: textOf(entry.conversationId),
        fromState: textOf(entry.fromState),
        toState: textOf(entry.toState),
        effect: textOf(entry.effect),
        deliveryId: textOf(entry.deliveryId),
        destinationId: textOf(entry.destinationId),
      })),
    };
  }

  @Route({
    method: 'GET',
    path: `${EVENTS}/{id}/payload`,
    tag: 'Events',
    summary: 'The request as the provider sent it, and the personal data in it',
    access: { principal: 'tenant', scope: 'payloads:read' },
    status: 200,
    response: payload,
    errors: ['event.not_found', 'data_key.not_found'],
  })
  async payload(@CallOf() call: Call) {
    const { request, content } = await this.events.query.getEventPayload(
      { tenantId: call.tenant.id, id: call.params['id']! },
      this.events.read,
    );
    await this.tenants.recordAccess(actorOf(call), call.tenant.id, 'payload.read', call.params['id']!);
    const headers = request?.headers ?? [];
    return {
      method: request?.method ?? '',
      target: request?.target ?? '',
      headers: Array.from({ length: headers.length / 2 }, (_, index) => [
        headers[2 * index],
        headers[2 * index + 1],
      ]),
      bodyBase64: Buffer.from(request?.body ?? []).toString('base64'),
      content: {
        from: textOf(content?.from ?? ''),
        to: textOf(content?.to ?? ''),
        text: textOf(content?.text ?? ''),
        subject: textOf(content?.subject ?? ''),
        mediaUrls: content?.mediaUrls ?? [],
      },
    };
  }
}
