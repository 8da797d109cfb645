import { UsageServiceService, type SecretUse } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { grpcClient, type GrpcChannel } from '@posthorn/server/grpc-client.js';

export type { SecretUse } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';

const DEADLINE_MS = 5_000;

/** Tells tenants which secrets are used. */
export class UsageClient {
  private readonly service;

  constructor(channel: GrpcChannel) {
    this.service = grpcClient(UsageServiceService, channel);
  }

  /** @param uses at most 1,000. @throws AppError of tenants. */
  async report(uses: readonly SecretUse[]): Promise<void> {
    await this.service.reportSecretUse({ uses: [...uses] }, { deadlineMs: DEADLINE_MS });
  }
}
