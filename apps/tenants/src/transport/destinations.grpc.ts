import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type CreateDestinationRequest,
  type CreateDestinationResponse,
  type DeleteDestinationRequest,
  type DeleteDestinationResponse,
  type GetDestinationRequest,
  type GetDestinationResponse,
  type ListDestinationsRequest,
  type ListDestinationsResponse,
  type RevokeDestinationSecretRequest,
  type RevokeDestinationSecretResponse,
  type RotateDestinationSecretRequest,
  type RotateDestinationSecretResponse,
  type UpdateDestinationRequest,
  type UpdateDestinationResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { CreateDestination } from '../application/create-destination.js';
import { DeleteDestination } from '../application/delete-destination.js';
import { ReadConfiguration } from '../application/read-configuration.js';
import { RevokeDestinationSecret } from '../application/revoke-destination-secret.js';
import { RotateDestinationSecret } from '../application/rotate-destination-secret.js';
import { UpdateDestination } from '../application/update-destination.js';
import { type Destination, DESTINATION_DEFAULTS, parseHeaders } from '../domain/destination.js';
import { parseFilter } from '../domain/destination-filter.js';
import { actorOf, appliedMessage, destinationMessage, secretInfoMessage } from './messages.js';
import { byId, listPage } from './page.js';
import { present } from './patch.js';

const SERVICE = 'AdminService';

/** Destinations and their signing secrets. */
@Controller()
export class DestinationController {
  constructor(
    private readonly read: ReadConfiguration,
    private readonly create: CreateDestination,
    private readonly update: UpdateDestination,
    private readonly remove: DeleteDestination,
    private readonly rotate: RotateDestinationSecret,
    private readonly revoke: RevokeDestinationSecret,
  ) {}

  /** Zero and empty mean the default. */
  @GrpcMethod(SERVICE, 'createDestination')
  async createDestination(request: CreateDestinationRequest): Promise<CreateDestinationResponse> {
    const made = await this.create.run(actorOf(request.actor), request.tenant, {
      name: request.name,
      url: request.url,
      eventTypes: request.eventTypes,
      ordering: request.ordering || DESTINATION_DEFAULTS.ordering,
      maxAttempts: request.maxAttempts || DESTINATION_DEFAULTS.maxAttempts,
      maxAgeSeconds: request.maxAgeSeconds || DESTINATION_DEFAULTS.maxAgeSeconds,
      maxInFlight: request.maxInFlight || DESTINATION_DEFAULTS.maxInFlight,
      ratePerSecond: request.ratePerSecond,
      headers: parseHeaders(request.headersJson),
      status: DESTINATION_DEFAULTS.status,
      include: request.include,
      filter: parseFilter(request.filterJson),
    });
    return {
      destination: destinationMessage(made.destination),
      signingSecret: made.signingSecret,
      applied: appliedMessage(made.applied),
    };
  }

  @GrpcMethod(SERVICE, 'listDestinations')
  async listDestinations(request: ListDestinationsRequest): Promise<ListDestinationsResponse> {
    const position = byId('dst', (destination: Destination) => destination.destinationId);
    const { items, nextCursor } = await listPage(request, position, (page) =>
      this.read.listDestinations(request.tenant, page),
    );
    return { destinations: items.map(destinationMessage), nextCursor };
  }

  @GrpcMethod(SERVICE, 'getDestination')
  async getDestination({ tenant, id }: GetDestinationRequest): Promise<GetDestinationResponse> {
    return { destination: destinationMessage(await this.read.destination(tenant, id)) };
  }

  @GrpcMethod(SERVICE, 'updateDestination')
  async updateDestination(request: UpdateDestinationRequest): Promise<UpdateDestinationResponse> {
    const { name, url, ordering, maxAttempts, maxAgeSeconds, maxInFlight, ratePerSecond, status } = request;
    const patch = present({
      ...{ name, url, ordering, maxAttempts, maxAgeSeconds, maxInFlight, ratePerSecond, status },
      eventTypes: request.replaceEventTypes ? request.eventTypes : undefined,
      include: request.replaceInclude ? request.include : undefined,
      headers: request.headersJson === undefined ? undefined : parseHeaders(request.headersJson),
      filter: request.filterJson === undefined ? undefined : parseFilter(request.filterJson),
    });
    const { tenant, id } = request;
    const { destination, applied } = await this.update.run(actorOf(request.actor), tenant, id, patch);
    return { destination: destinationMessage(destination), applied: appliedMessage(applied) };
  }

  @GrpcMethod(SERVICE, 'deleteDestination')
  async deleteDestination({
    actor,
    tenant,
    id,
  }: DeleteDestinationRequest): Promise<DeleteDestinationResponse> {
    return { applied: appliedMessage(await this.remove.run(actorOf(actor), tenant, id)) };
  }

  @GrpcMethod(SERVICE, 'rotateDestinationSecret')
  async rotateDestinationSecret(
    request: RotateDestinationSecretRequest,
  ): Promise<RotateDestinationSecretResponse> {
    const { tenant, destinationId, overlapSeconds } = request;
    const made = await this.rotate.run(actorOf(request.actor), tenant, destinationId, overlapSeconds);
    return {
      secret: secretInfoMessage(made.secret),
      signingSecret: made.signingSecret,
      applied: appliedMessage(made.applied),
    };
  }

  @GrpcMethod(SERVICE, 'revokeDestinationSecret')
  async revokeDestinationSecret(
    request: RevokeDestinationSecretRequest,
  ): Promise<RevokeDestinationSecretResponse> {
    const { tenant, destinationId, secretId } = request;
    const applied = await this.revoke.run(actorOf(request.actor), tenant, destinationId, secretId);
    return { applied: appliedMessage(applied) };
  }
}
