import { KeywordServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';
import type { TenantPolicy } from '../domain/sending-rules/tenant-policy.js';

const ACTOR = { id: 'service:compliance', kind: 'service', remoteAddress: '' };
/** tenants waits up to 2 s for those who watch. */
const call = { deadlineMs: 5_000 };

/** What the edge has of the policies. */
export class KeywordsClient {
  private readonly keywords;

  constructor(channel: GrpcChannel) {
    this.keywords = grpcClient(KeywordServiceService, channel);
  }

  /** @param tenantId `ten_…`. @param policyVersion those of an older one change nothing. */
  async set(tenantId: string, keywords: TenantPolicy['keywords'], policyVersion: number): Promise<void> {
    const { optOut, optIn, help } = keywords;
    await this.keywords.setTenantKeywords(
      {
        ...{ actor: ACTOR, tenant: tenantId, policyVersion, keepFormer: false },
        keywords: { optOut: [...optOut], optIn: [...optIn], help: [...help] },
      },
      call,
    );
  }
}
