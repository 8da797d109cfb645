import {
  PermitServiceService,
  type ClosePermitRequest,
  type RequestPermitRequest,
  type RequestPermitResponse,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';
import { PERMIT_VALID_MS } from '../domain/command-step.js';

const CLOSE_DEADLINE_MS = 2_000;

/** The connection to compliance. */
export class ComplianceChannel extends GrpcChannel {}

/** Who gives or refuses each permission to send. */
export class ComplianceClient {
  private readonly permits;

  constructor(channel: ComplianceChannel) {
    this.permits = grpcClient(PermitServiceService, channel);
  }

  /** A later answer would be of no use any more. @throws AppError `service.unavailable`, `service.deadline` */
  requestPermit(request: RequestPermitRequest, traceparent: string): Promise<RequestPermitResponse> {
    return this.permits.requestPermit(request, {
      deadlineMs: PERMIT_VALID_MS,
      ...(traceparent !== '' && { traceparent }),
    });
  }

  async closePermit(request: ClosePermitRequest): Promise<void> {
    await this.permits.closePermit(request, { deadlineMs: CLOSE_DEADLINE_MS });
  }
}
