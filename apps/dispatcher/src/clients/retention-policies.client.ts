import { formatId } from '@posthorn/clock/id.js';
import { PolicyServiceService } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import type { ComplianceChannel } from './compliance.client.js';

const DEADLINE_MS = 5_000;

/** What tenants want kept for how long: a part of the policy that compliance keeps. */
export class RetentionPolicies {
  private readonly policies;

  constructor(channel: ComplianceChannel) {
    this.policies = grpcClient(PolicyServiceService, channel);
  }

  /** The whole policy in force, as JSON. @param tenantId 16 bytes. @throws AppError `service.unavailable` */
  async policyJson(tenantId: Buffer): Promise<string> {
    const call = { tenantId: formatId('ten', tenantId) };
    return (await this.policies.getPolicy(call, { deadlineMs: DEADLINE_MS })).policyJson;
  }
}
