import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { Clock } from '@posthorn/clock/clock.js';
import { uuidText } from '@posthorn/clock/id.js';
import {
  type CancelMessageRequest,
  type CancelMessageResponse,
  type CreateMessageRequest,
  type CreateMessageResponse,
  type ResolveMessageRequest,
  type ResolveMessageResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { auditActor } from '@posthorn/postgres/audit-outgoing.js';
import { CreateMessage, type CreatedMessage } from '../application/create-message.js';
import { EndMessage } from '../application/end-message.js';
import { firstViewOf } from '../application/first-answer.js';
import { CommandRead } from '../persistence/command.read.js';
import {
  commandMessage,
  fingerprintOf,
  messageRequestOf,
  messageUuidOf,
  resolutionOf,
} from './command.dto.js';
import { tenantUuidOf } from './delivery.dto.js';

/** Takes and ends commands for the API. */
@Controller()
export class CommandController {
  constructor(
    private readonly creations: CreateMessage,
    private readonly ends: EndMessage,
    private readonly commands: CommandRead,
    private readonly clock: Clock,
  ) {}

  @GrpcMethod('CommandService', 'createMessage')
  async createMessage(request: CreateMessageRequest): Promise<CreateMessageResponse> {
    const tenantUuid = tenantUuidOf(request.tenantId);
    const { messageId, view } = await this.createOnce(request);
    if (view !== undefined) return { command: commandMessage(view), isRepeated: false };
    const repeated = await this.commands.get(tenantUuid, uuidText(messageId));
    return { command: commandMessage(firstViewOf(repeated, request.notBeforeMs)), isRepeated: true };
  }

  /** What was taken once is so, also when it would be refused by now. */
  private async createOnce(request: CreateMessageRequest): Promise<CreatedMessage> {
    try {
      return await this.creations.create(messageRequestOf(request, this.clock.nowMs()));
    } catch (error) {
      const { tenantId, idempotencyKey } = request;
      const key = { idempotencyKey, fingerprint: fingerprintOf(request) };
      const earlier = await this.creations.earlier(tenantId, key).catch(() => undefined);
      if (earlier === undefined) throw error;
      return earlier;
    }
  }

  @GrpcMethod('CommandService', 'cancelMessage')
  async cancelMessage(request: CancelMessageRequest): Promise<CancelMessageResponse> {
    const [tenantUuid, messageUuid] = [tenantUuidOf(request.tenantId), messageUuidOf(request.id)];
    const { actorId, principal } = request;
    await this.ends.cancel(tenantUuid, messageUuid, actorId, auditActor(principal, actorId));
    return { command: commandMessage(await this.commands.get(tenantUuid, messageUuid)) };
  }

  @GrpcMethod('CommandService', 'resolveMessage')
  async resolveMessage(request: ResolveMessageRequest): Promise<ResolveMessageResponse> {
    const [tenantUuid, messageUuid] = [tenantUuidOf(request.tenantId), messageUuidOf(request.id)];
    await this.ends.resolve(tenantUuid, messageUuid, resolutionOf(request));
    return { command: commandMessage(await this.commands.get(tenantUuid, messageUuid)) };
  }
}
