import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { DispatcherClient } from '../clients/dispatcher.client.js';
import { actorOf } from './applied.js';
import {
  deadLettersQuery,
  deliveriesQuery,
  delivery,
  deliveryOf,
  redrive,
  redriven,
} from './deliveries.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf } from './shapes.dto.js';

const read = { principal: 'tenant', scope: 'deliveries:read' } as const;
const write = { principal: 'tenant', scope: 'deliveries:write' } as const;
const DELIVERIES = '/v1/tenants/{tenant}/deliveries';
const DEAD_LETTERS = '/v1/tenants/{tenant}/dead-letters';

/** Deliveries and dead letters. */
@Controller()
export class DeliveriesController {
  constructor(private readonly dispatcher: DispatcherClient) {}

  @Route({
    method: 'GET',
    path: DELIVERIES,
    tag: 'Deliveries',
    summary: 'List deliveries, newest first',
    access: read,
    query: deliveriesQuery,
    status: 200,
    response: listOf(delivery),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof deliveriesQuery>>) {
    return this.find(tenant.id, query, query.state ?? '', query.eventId ?? '');
  }

  @Route({
    method: 'GET',
    path: `${DELIVERIES}/{id}`,
    tag: 'Deliveries',
    summary: 'One delivery with every attempt',
    access: read,
    status: 200,
    response: delivery,
    errors: ['delivery.not_found'],
  })
  async get(@CallOf() call: Call) {
    const answer = await this.dispatcher.query.getDelivery(
      { tenantId: call.tenant.id, id: call.params['id']! },
      this.dispatcher.read,
    );
    return deliveryOf(answer.delivery!);
  }

  @Route({
    method: 'POST',
    path: `${DELIVERIES}/{id}/retry`,
    tag: 'Deliveries',
    summary: 'Try a dead or waiting delivery again now',
    access: write,
    status: 200,
    response: delivery,
    errors: ['delivery.not_found', 'delivery.not_retryable'],
  })
  async retry(@CallOf() call: Call) {
    const answer = await this.dispatcher.deliveries.retryDelivery(
      { tenantId: call.tenant.id, id: call.params['id']!, principal: actorOf(call) },
      this.dispatcher.act,
    );
    return deliveryOf(answer.delivery!);
  }

  @Route({
    method: 'GET',
    path: DEAD_LETTERS,
    tag: 'Deliveries',
    summary: 'List dead letters, newest first',
    access: read,
    query: deadLettersQuery,
    status: 200,
    response: listOf(delivery),
  })
  async listDead(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof deadLettersQuery>>) {
    return this.find(tenant.id, query, 'dead', '');
  }

  @Route({
    method: 'POST',
    path: `${DEAD_LETTERS}/redrive`,
    tag: 'Deliveries',
    summary: 'Put dead letters back in line, oldest first',
    access: write,
    body: redrive,
    status: 200,
    response: redriven,
  })
  async redrive(@CallOf() call: Call<z.infer<typeof redrive>>) {
    const { filter, limit } = call.body;
    const ms = (text: string | undefined): number => (text === undefined ? 0 : Date.parse(text));
    const answer = await this.dispatcher.deliveries.redriveDeadLetters(
      {
        tenantId: call.tenant.id,
        principal: actorOf(call),
        destinationId: filter.destinationId ?? '',
        type: filter.type ?? '',
        fromMs: ms(filter.from),
        toMs: ms(filter.to),
        limit,
      },
      this.dispatcher.act,
    );
    return { redriven: answer.redriven };
  }

  private async find(
    tenantId: string,
    query: z.infer<typeof deadLettersQuery>,
    state: string,
    eventId: string,
  ) {
    const answer = await this.dispatcher.query.listDeliveries(
      {
        tenantId,
        limit: query.limit,
        cursor: query.cursor ?? '',
        eventId,
        destinationId: query.destinationId ?? '',
        state,
        fromMs: query.from,
        toMs: query.to,
      },
      this.dispatcher.read,
    );
    return { data: answer.deliveries.map(deliveryOf), nextCursor: answer.nextCursor || null };
  }
}
