import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type BeginRequestRequest,
  type BeginRequestResponse,
  type CompleteRequestRequest,
  type CompleteRequestResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { BeginRequest } from '../application/begin-request.js';
import { CompleteRequest } from '../application/complete-request.js';

const SERVICE = 'IdempotencyService';

/** First answers under Idempotency-Keys. */
@Controller()
export class IdempotencyController {
  constructor(
    private readonly begin: BeginRequest,
    private readonly complete: CompleteRequest,
  ) {}

  @GrpcMethod(SERVICE, 'beginRequest')
  async beginRequest(request: BeginRequestRequest): Promise<BeginRequestResponse> {
    const { principalId, idempotencyKey, fingerprint } = request;
    const known = await this.begin.run(principalId, idempotencyKey, Buffer.from(fingerprint));
    return known.outcome === 'replay' ? known : { outcome: known.outcome, status: 0, bodyJson: '' };
  }

  @GrpcMethod(SERVICE, 'completeRequest')
  async completeRequest(request: CompleteRequestRequest): Promise<CompleteRequestResponse> {
    await this.complete.run(request.principalId, request.idempotencyKey, request.status, request.bodyJson);
    return {};
  }
}
