import { Controller } from '@nestjs/common';
import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import {
  type ClosePermitRequest,
  type ClosePermitResponse,
  type PermitServiceController,
  PermitServiceControllerMethods,
  type RequestPermitRequest,
  type RequestPermitResponse,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { ClosePermit } from '../application/close-permit.js';
import { EdgeTenants, invalid } from '../application/edge-tenants.js';
import { RequestPermit } from '../application/request-permit.js';
import { PERMIT_VALID_MS, type SendRequest } from '../domain/send-request.js';
import { isSendChannel } from '../domain/suppression.js';

const PROGRAM_LENGTH_MAX = 64;
const CARRIER_REPLIES_MAX = 8;
const OUTCOMES = ['sent', 'not_sent', 'unknown'] as const;

/** May this message be sent, now? */
@Controller()
@PermitServiceControllerMethods()
export class PermitController implements PermitServiceController {
  constructor(
    private readonly request: RequestPermit,
    private readonly close: ClosePermit,
    private readonly tenants: EdgeTenants,
  ) {}

  async requestPermit(request: RequestPermitRequest): Promise<RequestPermitResponse> {
    const { id, decision } = await this.request.run(this.sendOf(request));
    return {
      decision: decision.kind,
      permitId: idOfUuid('evt', id),
      rule: decision.rule,
      detail: decision.kind === 'allow' ? '' : decision.detail,
      untilMs: decision.kind === 'defer' ? decision.untilMs : 0,
      validForMs: decision.kind === 'allow' ? PERMIT_VALID_MS : 0,
    };
  }

  async closePermit({ tenantId, permitId, outcome }: ClosePermitRequest): Promise<ClosePermitResponse> {
    const permit = uuidOfId('evt', permitId);
    const known = OUTCOMES.find((one) => one === outcome);
    if (permit === undefined) throw invalid('permitId', 'is no ID of a permit');
    if (known === undefined) throw invalid('outcome', `must be one of ${OUTCOMES.join(', ')}`);
    await this.close.run({ tenantId: this.tenants.uuidOf(tenantId), permitId: permit, outcome: known });
    return {};
  }

  private sendOf(request: RequestPermitRequest): SendRequest {
    const { tenantId, channel, category, address, program } = request;
    const { carrierReplies } = request;
    const messageId = uuidOfId('msg', request.messageId);
    if (messageId === undefined) throw invalid('messageId', 'is no ID of a message');
    if (!isSendChannel(channel)) throw invalid('channel', 'must be sms, email, chat or push');
    if (program.length > PROGRAM_LENGTH_MAX)
      throw invalid('program', `at most ${PROGRAM_LENGTH_MAX} characters`);
    if (carrierReplies.length > CARRIER_REPLIES_MAX)
      throw invalid('carrierReplies', `at most ${CARRIER_REPLIES_MAX}`);
    return {
      ...{ channel, address, program, messageId, isReplay: request.isReplay, isTemplate: request.isTemplate },
      // What is not said to be transactional is marketing.
      category: category === 'transactional' ? category : 'marketing',
      person: this.tenants.recipientAt(tenantId, address),
      sourceId: request.sourceId === '' ? undefined : idOr(request.sourceId, 'src', 'sourceId'),
      answersEventId:
        request.answersEventId === '' ? undefined : idOr(request.answersEventId, 'evt', 'answersEventId'),
      provider: request.provider,
      carrierReplies,
      contact: { timeZone: request.timeZone, country: request.country, postalCode: request.postalCode },
      lastInboundAtMs: request.lastInboundAtMs,
      isSendingPaused: this.tenants.isSendingPaused(tenantId),
    };
  }
}

function idOr(id: string, prefix: 'src' | 'evt', path: string): string {
  const uuid = uuidOfId(prefix, id);
  if (uuid === undefined) throw invalid(path, `must be ${prefix}_…`);
  return uuid;
}
