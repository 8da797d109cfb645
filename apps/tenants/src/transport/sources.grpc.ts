import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type CreateSourceRequest,
  type CreateSourceResponse,
  type DeleteSourceRequest,
  type DeleteSourceResponse,
  type GetSourceRequest,
  type GetSourceResponse,
  type ListSourcesRequest,
  type ListSourcesResponse,
  type RevokeSourceSecretRequest,
  type RevokeSourceSecretResponse,
  type RotateSourceSecretRequest,
  type RotateSourceSecretResponse,
  type SetSourceCredentialsRequest,
  type SetSourceCredentialsResponse,
  type SetSourcePauseRequest,
  type SetSourcePauseResponse,
  type UpdateSourceRequest,
  type UpdateSourceResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { CreateSource } from '../application/create-source.js';
import { DeleteSource } from '../application/delete-source.js';
import { ReadConfiguration } from '../application/read-configuration.js';
import { RevokeSourceSecret } from '../application/revoke-source-secret.js';
import { RotateSourceSecret } from '../application/rotate-source-secret.js';
import { SetSourceCredentials } from '../application/set-source-credentials.js';
import { SetSourcePause } from '../application/set-source-pause.js';
import { UpdateSource } from '../application/update-source.js';
import { parseSettings, type Source } from '../domain/source.js';
import { actorOf, appliedMessage, secretInfoMessage, sourceMessage } from './messages.js';
import { byId, listPage } from './page.js';
import { present } from './patch.js';

const SERVICE = 'AdminService';

/** Sources, their secrets, and their credentials for sends. */
@Controller()
export class SourceController {
  constructor(
    private readonly read: ReadConfiguration,
    private readonly create: CreateSource,
    private readonly update: UpdateSource,
    private readonly remove: DeleteSource,
    private readonly rotate: RotateSourceSecret,
    private readonly revoke: RevokeSourceSecret,
    private readonly setCredentials: SetSourceCredentials,
    private readonly setPause: SetSourcePause,
  ) {}

  @GrpcMethod(SERVICE, 'createSource')
  async createSource(request: CreateSourceRequest): Promise<CreateSourceResponse> {
    const { tenant, name, provider, secret } = request;
    const settings = parseSettings(request.settingsJson);
    const made = await this.create.run(actorOf(request.actor), tenant, { name, provider, secret, settings });
    return {
      source: sourceMessage(made.source),
      generatedSecret: made.generatedSecret,
      applied: appliedMessage(made.applied),
    };
  }

  @GrpcMethod(SERVICE, 'listSources')
  async listSources(request: ListSourcesRequest): Promise<ListSourcesResponse> {
    const position = byId('src', (source: Source) => source.sourceId);
    const { items, nextCursor } = await listPage(request, position, (page) =>
      this.read.listSources(request.tenant, page),
    );
    return { sources: items.map(sourceMessage), nextCursor };
  }

  @GrpcMethod(SERVICE, 'getSource')
  async getSource({ tenant, id }: GetSourceRequest): Promise<GetSourceResponse> {
    return { source: sourceMessage(await this.read.source(tenant, id)) };
  }

  @GrpcMethod(SERVICE, 'updateSource')
  async updateSource(request: UpdateSourceRequest): Promise<UpdateSourceResponse> {
    const { tenant, id, name, status, settingsJson } = request;
    const settings = settingsJson === undefined ? undefined : parseSettings(settingsJson);
    const patch = present({ name, status, settings });
    const { source, applied } = await this.update.run(actorOf(request.actor), tenant, id, patch);
    return { source: sourceMessage(source), applied: appliedMessage(applied) };
  }

  @GrpcMethod(SERVICE, 'deleteSource')
  async deleteSource({ actor, tenant, id }: DeleteSourceRequest): Promise<DeleteSourceResponse> {
    return { applied: appliedMessage(await this.remove.run(actorOf(actor), tenant, id)) };
  }

  @GrpcMethod(SERVICE, 'rotateSourceSecret')
  async rotateSourceSecret(request: RotateSourceSecretRequest): Promise<RotateSourceSecretResponse> {
    const { tenant, sourceId, secret, overlapSeconds } = request;
    const made = await this.rotate.run(actorOf(request.actor), tenant, sourceId, secret, overlapSeconds);
    return {
      secret: secretInfoMessage(made.secret),
      generatedSecret: made.generatedSecret,
      applied: appliedMessage(made.applied),
    };
  }

  @GrpcMethod(SERVICE, 'revokeSourceSecret')
  async revokeSourceSecret(request: RevokeSourceSecretRequest): Promise<RevokeSourceSecretResponse> {
    const { tenant, sourceId, secretId } = request;
    const applied = await this.revoke.run(actorOf(request.actor), tenant, sourceId, secretId);
    return { applied: appliedMessage(applied) };
  }

  @GrpcMethod(SERVICE, 'setSourceCredentials')
  async setSourceCredentials(request: SetSourceCredentialsRequest): Promise<SetSourceCredentialsResponse> {
    const { tenant, sourceId, credentialsJson } = request;
    const made = await this.setCredentials.run(actorOf(request.actor), tenant, sourceId, credentialsJson);
    return { source: sourceMessage(made.source), applied: appliedMessage(made.applied) };
  }

  @GrpcMethod(SERVICE, 'setSourcePause')
  async setSourcePause(request: SetSourcePauseRequest): Promise<SetSourcePauseResponse> {
    const { tenant, sourceId, paused, reason } = request;
    const made = await this.setPause.run(actorOf(request.actor), tenant, sourceId, paused, reason);
    return { source: sourceMessage(made.source), applied: appliedMessage(made.applied) };
  }
}
