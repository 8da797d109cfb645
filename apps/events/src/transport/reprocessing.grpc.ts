import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  SettleReprocessingRequest_Outcome as Outcome,
  type ClaimReprocessingRequest,
  type ClaimReprocessingResponse,
  type FindOriginalsRequest,
  type FindOriginalsResponse,
  type SettleReprocessingRequest,
  type SettleReprocessingResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { ReprocessEvents } from '../application/reprocess-events.js';
import type { SettledPage } from '../domain/reprocessing.js';

const NONE = Buffer.alloc(0);
const OUTCOMES: Readonly<Partial<Record<Outcome, SettledPage['outcome']>>> = {
  [Outcome.OUTCOME_DONE]: 'done',
  [Outcome.OUTCOME_POSTPONED]: 'postponed',
};

/** Stored requests that are parsed again, for ingress. */
@Controller()
export class ReprocessingController {
  constructor(private readonly reprocess: ReprocessEvents) {}

  @GrpcMethod('ReprocessingService', 'claimReprocessing')
  async claimReprocessing(request: ClaimReprocessingRequest): Promise<ClaimReprocessingResponse> {
    const claimed = await this.reprocess.claim(request.instanceId, request.leaseSeconds);
    if (claimed === undefined) return { reprocessingId: NONE, tenantId: NONE, requests: [] };
    return { ...claimed, requests: [...claimed.requests] };
  }

  @GrpcMethod('ReprocessingService', 'findOriginals')
  async findOriginals(request: FindOriginalsRequest): Promise<FindOriginalsResponse> {
    const { events, erased } = await this.reprocess.originals(request);
    return { eventIds: events.map((event) => event ?? NONE), erasedPersonHashes: erased };
  }

  @GrpcMethod('ReprocessingService', 'settleReprocessing')
  async settleReprocessing(request: SettleReprocessingRequest): Promise<SettleReprocessingResponse> {
    const { instanceId, tenantId, reprocessingId, understoodEventIds, personHashes } = request;
    const outcome = OUTCOMES[request.outcome];
    if (outcome === undefined)
      throw new AppError('request.invalid', {
        fields: [{ path: 'outcome', message: 'must be one of the list' }],
      });
    const understood = understoodEventIds;
    await this.reprocess.settle(instanceId, { tenantId, reprocessingId, outcome, understood, personHashes });
    return {};
  }
}
