import {
  SuppressionQueryServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const DEADLINE_MS = 5_000;

/** Suppressions: reads and changes. */
export class ComplianceClient {
  readonly query;
  readonly suppressions;
  readonly call = { deadlineMs: DEADLINE_MS };

  constructor(private readonly channel: GrpcChannel) {
    this.query = grpcClient(SuppressionQueryServiceService, channel);
    this.suppressions = grpcClient(SuppressionServiceService, channel);
  }

  onApplicationShutdown(): void {
    this.channel.onApplicationShutdown();
  }
}
