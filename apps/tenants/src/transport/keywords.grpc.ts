import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type SetTenantKeywordsRequest,
  type SetTenantKeywordsResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { NO_KEYWORDS } from '@posthorn/providers/tenant-keywords.js';
import { SetKeywords } from '../application/set-keywords.js';
import { keywordsMessage } from './config-messages.js';
import { actorOf, appliedMessage } from './messages.js';

/** Tenants' own words, as the edge gets them. */
@Controller()
export class KeywordController {
  constructor(private readonly set: SetKeywords) {}

  @GrpcMethod('KeywordService', 'setTenantKeywords')
  async setTenantKeywords(request: SetTenantKeywordsRequest): Promise<SetTenantKeywordsResponse> {
    const { tenant, keywords = NO_KEYWORDS, policyVersion, keepFormer } = request;
    const actor = actorOf(request.actor);
    const set = keepFormer
      ? await this.set.announce(actor, tenant, keywords)
      : await this.set.replace(actor, tenant, keywords, policyVersion);
    return {
      keywords: keywordsMessage(set.keywords),
      policyVersion: set.keywords.policyVersion,
      applied: appliedMessage(set.applied),
    };
  }
}
