import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type AcceptHandoffRequest,
  type AcceptHandoffResponse,
  type ClaimConversationRequest,
  type ClaimConversationResponse,
  type CloseConversationRequest,
  type CloseConversationResponse,
  type CreateHandoffRequest,
  type CreateHandoffResponse,
  type ReleaseConversationRequest,
  type ReleaseConversationResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { auditActor, type AuditActor } from '@posthorn/postgres/audit-outgoing.js';
import { CreateHandoff, NAME_LENGTH_MAX } from '../application/create-handoff.js';
import { StepHandoff, type HandoffAct } from '../application/step-handoff.js';
import { handoffMessageOf } from './conversation.dto.js';
import { uuidOr } from './event-query.dto.js';

interface Call {
  readonly tenantId: string;
  readonly conversationId: string;
  readonly actor: string;
  readonly principal?: AuditActor | undefined;
  readonly traceparent: string;
}

/** What people, and the bot, do with conversations. */
@Controller()
export class HandoffController {
  constructor(
    private readonly create: CreateHandoff,
    private readonly step: StepHandoff,
  ) {}

  @GrpcMethod('HandoffService', 'createHandoff')
  async createHandoff(request: CreateHandoffRequest): Promise<CreateHandoffResponse> {
    const { tenantId, conversationId } = idsOf(request);
    const by = auditActor(request.principal, request.actor);
    const { handoff, isNew } = await this.create.run({ ...request, tenantId, conversationId, by });
    return { handoff: handoffMessageOf(handoff), isNew };
  }

  @GrpcMethod('HandoffService', 'claimConversation')
  async claimConversation(request: ClaimConversationRequest): Promise<ClaimConversationResponse> {
    return {
      handoff: handoffMessageOf(await this.step.claim(actOf(request, ''), request.offerTimeoutSeconds)),
    };
  }

  @GrpcMethod('HandoffService', 'acceptHandoff')
  async acceptHandoff(request: AcceptHandoffRequest): Promise<AcceptHandoffResponse> {
    const handoff = await this.step.accept(actOf(request, request.note), request.fencingToken);
    return { handoff: handoffMessageOf(handoff) };
  }

  @GrpcMethod('HandoffService', 'releaseConversation')
  async releaseConversation(request: ReleaseConversationRequest): Promise<ReleaseConversationResponse> {
    const { to, fencingToken, note } = request;
    if (to !== 'queue' && to !== 'bot')
      throw new AppError('request.invalid', { fields: [{ path: 'to', message: 'must be queue or bot' }] });
    return { handoff: handoffMessageOf(await this.step.release(actOf(request, note), fencingToken, to)) };
  }

  @GrpcMethod('HandoffService', 'closeConversation')
  async closeConversation(request: CloseConversationRequest): Promise<CloseConversationResponse> {
    const handoff = await this.step.close(actOf(request, request.note), request.fencingToken);
    return { handoff: handoff && handoffMessageOf(handoff) };
  }
}

const idsOf = ({ tenantId, conversationId }: Call) => ({
  tenantId: uuidOr('ten', tenantId, 'tenant.not_found'),
  conversationId: uuidOr('cnv', conversationId, 'conversation.not_found'),
});

function actOf(call: Call, note: string): HandoffAct {
  const { actor, traceparent } = call;
  if (actor === '' || actor.length > NAME_LENGTH_MAX)
    throw new AppError('request.invalid', {
      fields: [{ path: 'actor', message: `must be 1 to ${NAME_LENGTH_MAX} characters` }],
    });
  return { ...idsOf(call), actor, by: auditActor(call.principal, actor), traceparent, note };
}
