import { type PutPolicyRequest } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import {
  type Actor,
  type Applied,
  type TenantKeywords,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { ERRORS } from '@posthorn/errors/registry.js';
import { type ComplianceClient } from '../clients/compliance.client.js';
import { type TenantsClient } from '../clients/tenants.client.js';

/** Named as pending when tenants could not be told that the policy is written. */
const TENANTS = 'tenants';

/**
 * Replaces a tenant's policy. compliance keeps it; its words have to be known at the edge as well, where an opt-out is
 * told from a message before the provider hears 2xx.
 * In this order, so that every opt-out word of the policy is at the edge, whatever stops in between: checked, the new
 * words beside the former ones, the policy, the former words away. Where it was cut off, the next PUT or
 * compliance, which compares both, does the rest.
 */
export class PutPolicy {
  constructor(
    private readonly compliance: Pick<ComplianceClient, 'policies' | 'call'>,
    private readonly tenants: Pick<TenantsClient, 'keywords' | 'change'>,
  ) {}

  /**
   * @returns who has not confirmed the words yet.
   * @throws AppError `request.invalid`, `policy.conflict`, `principal.forbidden`, `limit.reached`: then the policy is as it was.
   */
  async run(actor: Actor, request: Omit<PutPolicyRequest, 'dryRun'>): Promise<Pick<Applied, 'pending'>> {
    const { policies, call } = this.compliance;
    const checked = await policies.putPolicy({ ...request, dryRun: true }, call);
    const tenant = request.tenantId;
    await this.tenants.keywords.setTenantKeywords(
      { actor, tenant, keywords: keywordsIn(checked.policyJson), policyVersion: 0, keepFormer: true },
      this.tenants.change,
    );
    const { version, policyJson } = await policies.putPolicy(request, call);
    try {
      const { applied } = await this.tenants.keywords.setTenantKeywords(
        { actor, tenant, keywords: keywordsIn(policyJson), policyVersion: version, keepFormer: false },
        this.tenants.change,
      );
      return { pending: applied?.pending ?? [] };
    } catch (error) {
      // The policy is written: an answer that looks like a failure would be repeated against a newer version.
      if (error instanceof AppError && ERRORS[error.code].retryable) return { pending: [TENANTS] };
      throw error;
    }
  }
}

/** The words as compliance folded them. */
const keywordsIn = (policyJson: string): TenantKeywords =>
  (JSON.parse(policyJson) as { keywords: TenantKeywords }).keywords;
