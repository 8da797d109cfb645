import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type GetMessageCommandRequest,
  type GetMessageCommandResponse,
  type ListMessageCommandsRequest,
  type ListMessageCommandsResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { CommandRead } from '../persistence/command.read.js';
import { commandFilterOf, commandMessage, messageUuidOf } from './command.dto.js';
import { limitOf, tenantUuidOf } from './delivery.dto.js';

const PAGE_MAX = 500;

/** Reads of commands for the API. */
@Controller()
export class CommandQueryController {
  constructor(private readonly commands: CommandRead) {}

  @GrpcMethod('CommandQueryService', 'listMessageCommands')
  async listMessageCommands(request: ListMessageCommandsRequest): Promise<ListMessageCommandsResponse> {
    const limit = limitOf(request.limit, PAGE_MAX);
    const filter = commandFilterOf(request);
    const page = await this.commands.list(tenantUuidOf(request.tenantId), filter, limit, request.cursor);
    return { commands: page.commands.map(commandMessage), nextCursor: page.nextCursor };
  }

  @GrpcMethod('CommandQueryService', 'getMessageCommand')
  async getMessageCommand({ tenantId, id }: GetMessageCommandRequest): Promise<GetMessageCommandResponse> {
    const command = await this.commands.get(tenantUuidOf(tenantId), messageUuidOf(id));
    return { command: commandMessage(command) };
  }
}
