import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  SettledRefusal_Outcome,
  type ClaimRefusalsRequest,
  type ClaimRefusalsResponse,
  type KeepRefusalsRequest,
  type KeepRefusalsResponse,
  type SettleRefusalsRequest,
  type SettleRefusalsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { KeepRefusals } from '../application/keep-refusals.js';
import { ReverifyRefusals } from '../application/reverify-refusals.js';
import type { Settlement } from '../domain/refusal.js';

const OUTCOMES: Readonly<Partial<Record<SettledRefusal_Outcome, Settlement['outcome']>>> = {
  [SettledRefusal_Outcome.OUTCOME_ADMITTED]: 'admitted',
  [SettledRefusal_Outcome.OUTCOME_STILL_REFUSED]: 'still_refused',
  [SettledRefusal_Outcome.OUTCOME_POSTPONED]: 'postponed',
};

/** Refused requests, for ingress. */
@Controller()
export class RefusalController {
  constructor(
    private readonly keep: KeepRefusals,
    private readonly reverify: ReverifyRefusals,
  ) {}

  @GrpcMethod('RefusalService', 'keepRefusals')
  async keepRefusals({ refusals }: KeepRefusalsRequest): Promise<KeepRefusalsResponse> {
    return { isKept: await this.keep.run(refusals) };
  }

  @GrpcMethod('RefusalService', 'claimRefusals')
  async claimRefusals(request: ClaimRefusalsRequest): Promise<ClaimRefusalsResponse> {
    const { instanceId, limit, leaseSeconds } = request;
    return { refusals: await this.reverify.claim(instanceId, limit, leaseSeconds) };
  }

  @GrpcMethod('RefusalService', 'settleRefusals')
  async settleRefusals({ instanceId, refusals }: SettleRefusalsRequest): Promise<SettleRefusalsResponse> {
    await this.reverify.settle(
      instanceId,
      refusals.map(({ requestId, tenantId, outcome, cause }) => {
        const known = OUTCOMES[outcome];
        if (known === undefined)
          throw new AppError('request.invalid', {
            fields: [{ path: 'outcome', message: 'must be one of the list' }],
          });
        return { requestId, tenantId, outcome: known, cause };
      }),
    );
    return {};
  }
}
