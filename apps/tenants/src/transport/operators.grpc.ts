import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type CreateOperatorKeyRequest,
  type CreateOperatorKeyResponse,
  type DeleteOperatorKeyRequest,
  type DeleteOperatorKeyResponse,
  type GetPlatformRequest,
  type GetPlatformResponse,
  type ListOperatorKeysRequest,
  type ListOperatorKeysResponse,
  type RotateKeysRequest,
  type RotateKeysResponse,
  type RotateOperatorKeyRequest,
  type RotateOperatorKeyResponse,
  type SetPlatformSendsPauseRequest,
  type SetPlatformSendsPauseResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { ManageOperatorKeys } from '../application/manage-operator-keys.js';
import { PausePlatformSends } from '../application/pause-platform-sends.js';
import { RotateKeys } from '../application/rotate-keys.js';
import { type OperatorKey } from '../domain/operator-key.js';
import { actorOf, appliedMessage, operatorKeyMessage } from './messages.js';
import { byId, listPage } from './page.js';

const SERVICE = 'OperatorService';

/** What concerns the platform and no tenant. */
@Controller()
export class OperatorController {
  constructor(
    private readonly sends: PausePlatformSends,
    private readonly operatorKeys: ManageOperatorKeys,
    private readonly rotateAll: RotateKeys,
  ) {}

  @GrpcMethod(SERVICE, 'getPlatform')
  async getPlatform(_request: GetPlatformRequest): Promise<GetPlatformResponse> {
    return { sendsPaused: await this.sends.isPaused() };
  }

  @GrpcMethod(SERVICE, 'setPlatformSendsPause')
  async setPlatformSendsPause(request: SetPlatformSendsPauseRequest): Promise<SetPlatformSendsPauseResponse> {
    const { paused, reason } = request;
    const applied = await this.sends.run(actorOf(request.actor), paused, reason);
    return { sendsPaused: paused, applied: appliedMessage(applied) };
  }

  @GrpcMethod(SERVICE, 'listOperatorKeys')
  async listOperatorKeys(request: ListOperatorKeysRequest): Promise<ListOperatorKeysResponse> {
    const position = byId('key', (key: OperatorKey) => key.operatorKeyId);
    const { items, nextCursor } = await listPage(request, position, (page) => this.operatorKeys.list(page));
    return { operatorKeys: items.map(operatorKeyMessage), nextCursor };
  }

  @GrpcMethod(SERVICE, 'createOperatorKey')
  async createOperatorKey(request: CreateOperatorKeyRequest): Promise<CreateOperatorKeyResponse> {
    const { name, scopes, expiresAtMs } = request;
    const expiry = expiresAtMs === 0 ? null : expiresAtMs;
    const made = await this.operatorKeys.create(actorOf(request.actor), name, scopes, expiry);
    return { operatorKey: operatorKeyMessage(made.operatorKey), secret: made.token };
  }

  @GrpcMethod(SERVICE, 'rotateOperatorKey')
  async rotateOperatorKey(request: RotateOperatorKeyRequest): Promise<RotateOperatorKeyResponse> {
    const { id, overlapSeconds } = request;
    const made = await this.operatorKeys.rotate(actorOf(request.actor), id, overlapSeconds);
    return { operatorKey: operatorKeyMessage(made.operatorKey), secret: made.token };
  }

  @GrpcMethod(SERVICE, 'deleteOperatorKey')
  async deleteOperatorKey({ actor, id }: DeleteOperatorKeyRequest): Promise<DeleteOperatorKeyResponse> {
    await this.operatorKeys.delete(actorOf(actor), id);
    return {};
  }

  @GrpcMethod(SERVICE, 'rotateKeys')
  async rotateKeys({ actor, newVersion }: RotateKeysRequest): Promise<RotateKeysResponse> {
    return this.rotateAll.run(actorOf(actor), newVersion);
  }
}
