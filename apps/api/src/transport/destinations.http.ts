import { Controller } from '@nestjs/common';
import { AppError } from '@posthorn/errors/app-error.js';
import { type z } from 'zod';
import { DispatcherClient } from '../clients/dispatcher.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { hasScope } from '../domain/principal.js';
import { actorOf, applied } from './applied.js';
import { attempt, attemptOf } from './deliveries.dto.js';
import {
  createDestination,
  destination,
  destinationCreated,
  destinationOf,
  rotateDestination,
  signingSecretCreated,
  updateDestination,
} from './destinations.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, type Page, page, secretInfo } from './shapes.dto.js';
import { secretInfoOf } from './tenants.dto.js';

const read = { principal: 'tenant', scope: 'destinations:read' } as const;
const write = { principal: 'tenant', scope: 'destinations:write' } as const;
const BASE = '/v1/tenants/{tenant}/destinations';

/** Destinations and their signing secrets. */
@Controller()
export class DestinationsController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly dispatcher: DispatcherClient,
  ) {}

  @Route({
    method: 'POST',
    path: BASE,
    tag: 'Destinations',
    summary: 'Create a destination',
    access: write,
    body: createDestination,
    status: 201,
    changesConfiguration: true,
    response: destinationCreated,
    errors: ['destination.address_forbidden'],
    secretPaths: ['signingSecret'],
  })
  async create(@CallOf() call: Call<z.infer<typeof createDestination>>) {
    const { retry, headers, ratePerSecond, filter, ...body } = call.body;
    await this.checkInclude(call);
    const answer = await this.tenants.admin.createDestination(
      {
        ...body,
        ...retry,
        actor: actorOf(call),
        tenant: call.tenant.id,
        ratePerSecond: ratePerSecond ?? 0,
        headersJson: JSON.stringify(headers),
        filterJson: JSON.stringify(filter),
      },
      this.tenants.change,
    );
    return applied(
      201,
      { ...destinationOf(answer.destination!), signingSecret: answer.signingSecret },
      answer.applied,
    );
  }

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Destinations',
    summary: 'List destinations',
    access: read,
    query: page,
    status: 200,
    response: listOf(destination),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, Page>) {
    const answer = await this.tenants.admin.listDestinations(
      { tenant: tenant.id, limit: query.limit, cursor: query.cursor ?? '' },
      this.tenants.read,
    );
    return { data: answer.destinations.map(destinationOf), nextCursor: answer.nextCursor || null };
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}`,
    tag: 'Destinations',
    summary: 'One destination',
    access: read,
    status: 200,
    response: destination,
    errors: ['destination.not_found'],
  })
  async get(@CallOf() call: Call) {
    const answer = await this.tenants.admin.getDestination(
      { tenant: call.tenant.id, id: call.params['id']! },
      this.tenants.read,
    );
    if (answer.destination === undefined) throw new AppError('destination.not_found');
    return destinationOf(answer.destination);
  }

  @Route({
    method: 'PATCH',
    path: `${BASE}/{id}`,
    tag: 'Destinations',
    summary: 'Change a destination',
    access: write,
    body: updateDestination,
    status: 200,
    changesConfiguration: true,
    response: destination,
    errors: ['destination.not_found', 'destination.address_forbidden'],
  })
  async update(@CallOf() call: Call<z.infer<typeof updateDestination>>) {
    const { retry, headers, ratePerSecond, eventTypes, include, filter, ...body } = call.body;
    await this.checkInclude(call);
    return this.change(call, {
      ...body,
      ...retry,
      eventTypes: eventTypes ?? [],
      replaceEventTypes: eventTypes !== undefined,
      include: include ?? [],
      replaceInclude: include !== undefined,
      ratePerSecond: ratePerSecond === null ? 0 : ratePerSecond,
      headersJson: headers === undefined ? undefined : JSON.stringify(headers),
      filterJson: filter === undefined ? undefined : JSON.stringify(filter),
    });
  }

  @Route({
    method: 'DELETE',
    path: `${BASE}/{id}`,
    tag: 'Destinations',
    summary: 'Delete a destination; what waits for it is canceled',
    access: write,
    status: 204,
    changesConfiguration: true,
    errors: ['destination.not_found'],
  })
  async delete(@CallOf() call: Call) {
    const answer = await this.tenants.admin.deleteDestination(
      { actor: actorOf(call), tenant: call.tenant.id, id: call.params['id']! },
      this.tenants.change,
    );
    return applied(204, undefined, answer.applied);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/secrets`,
    tag: 'Destinations',
    summary: 'Rotate the signing secret; both sign during the overlap',
    access: write,
    body: rotateDestination,
    status: 201,
    changesConfiguration: true,
    response: signingSecretCreated,
    errors: ['destination.not_found'],
    secretPaths: ['signingSecret'],
  })
  async rotate(@CallOf() call: Call<z.infer<typeof rotateDestination>>) {
    const answer = await this.tenants.admin.rotateDestinationSecret(
      {
        actor: actorOf(call),
        tenant: call.tenant.id,
        destinationId: call.params['id']!,
        overlapSeconds: call.body.overlapSeconds,
      },
      this.tenants.change,
    );
    return applied(
      201,
      { ...secretInfoOf(answer.secret!), signingSecret: answer.signingSecret },
      answer.applied,
    );
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}/secrets`,
    tag: 'Destinations',
    summary: 'The signing secrets of a destination, without their values',
    access: read,
    status: 200,
    response: listOf(secretInfo),
    errors: ['destination.not_found'],
  })
  async secrets(@CallOf() call: Call) {
    return { data: (await this.get(call)).secrets, nextCursor: null };
  }

  @Route({
    method: 'DELETE',
    path: `${BASE}/{id}/secrets/{secretId}`,
    tag: 'Destinations',
    summary: 'Revoke a former signing secret now; the current one is rotated without overlap instead',
    access: write,
    status: 204,
    changesConfiguration: true,
    errors: ['destination.not_found', 'secret.not_found'],
  })
  async revoke(@CallOf() call: Call) {
    const answer = await this.tenants.admin.revokeDestinationSecret(
      {
        actor: actorOf(call),
        tenant: call.tenant.id,
        destinationId: call.params['id']!,
        secretId: call.params['secretId']!,
      },
      this.tenants.change,
    );
    return applied(204, undefined, answer.applied);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/test`,
    tag: 'Destinations',
    summary: 'Send one signed endpoint.test and tell how it went',
    access: write,
    status: 200,
    response: attempt,
    errors: ['destination.not_found'],
  })
  async test(@CallOf() call: Call) {
    const answer = await this.dispatcher.deliveries.testDestination(
      { tenantId: call.tenant.id, destinationId: call.params['id']!, principal: actorOf(call) },
      this.dispatcher.act,
    );
    return attemptOf(answer.attempt!);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/enable`,
    tag: 'Destinations',
    summary:
      'Deliver again, with a closed breaker and a fresh count of failures; dead letters go when they are redriven',
    access: write,
    status: 200,
    changesConfiguration: true,
    response: destination,
    errors: ['destination.not_found'],
  })
  async enable(@CallOf() call: Call) {
    return this.change(call, { status: 'active' });
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/disable`,
    tag: 'Destinations',
    summary:
      'Stop delivering; what waits becomes dead letters, and of what comes meanwhile nothing is delivered',
    access: write,
    status: 200,
    changesConfiguration: true,
    response: destination,
    errors: ['destination.not_found'],
  })
  async disable(@CallOf() call: Call) {
    return this.change(call, { status: 'disabled' });
  }

  /**
   * Where deliveries with personal data go is decided by those who may read it.
   * @throws AppError `principal.forbidden`
   */
  private async checkInclude(
    call: Call<{ readonly include?: readonly string[] | undefined; readonly url?: string | undefined }>,
  ): Promise<void> {
    if (hasScope(call.principal, 'payloads:read')) return;
    const { include, url } = call.body;
    const included = include ?? (url === undefined ? [] : (await this.get(call)).include);
    if (included.length > 0)
      throw new AppError('principal.forbidden', {
        detail: 'a destination that includes personal data needs the scope payloads:read',
      });
  }

  private async change(call: Call<unknown>, fields: object) {
    const answer = await this.tenants.admin.updateDestination(
      {
        eventTypes: [],
        replaceEventTypes: false,
        include: [],
        replaceInclude: false,
        ...fields,
        actor: actorOf(call),
        tenant: call.tenant.id,
        id: call.params['id']!,
      },
      this.tenants.change,
    );
    return applied(200, destinationOf(answer.destination!), answer.applied);
  }
}
