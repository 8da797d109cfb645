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
import { CreateMessage } from '../application/create-message.js';
import { EndMessage } from '../application/end-message.js';
import { CommandRead } from '../persistence/command.read.js';
import { commandMessage, messageRequestOf, messageUuidOf, resolutionOf } from './command.dto.js';
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
    const made = await this.creations.create(messageRequestOf(request, this.clock.nowMs()));
    const command = await this.commands.get(tenantUuid, uuidText(made.messageId));
    return { command: commandMessage(command), isRepeated: made.isRepeated };
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
