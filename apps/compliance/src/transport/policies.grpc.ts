import { Controller } from '@nestjs/common';
import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import {
  type DecisionQueryServiceController,
  DecisionQueryServiceControllerMethods,
  type GetPolicyRequest,
  type GetPolicyResponse,
  type ListDecisionsRequest,
  type ListDecisionsResponse,
  type PolicyServiceController,
  PolicyServiceControllerMethods,
  type PutPolicyRequest,
  type PutPolicyResponse,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { invalid } from '../application/edge-tenants.js';
import { PutPolicy } from '../application/put-policy.js';
import { ReadPersons } from '../application/read-persons.js';
import { beforeOf, pageLimit, pageOf } from './page.js';
import { decisionMessage } from './persons.dto.js';

/** The sending rules of tenants. */
@Controller()
@PolicyServiceControllerMethods()
export class PolicyController implements PolicyServiceController {
  constructor(
    private readonly read: ReadPersons,
    private readonly put: PutPolicy,
  ) {}

  async getPolicy({ tenantId }: GetPolicyRequest): Promise<GetPolicyResponse> {
    const { version, policy, createdAtMs, actorId } = await this.read.policy(tenantId);
    return { version, policyJson: JSON.stringify(policy), createdAtMs, actorId };
  }

  async putPolicy(request: PutPolicyRequest): Promise<PutPolicyResponse> {
    const { version, policy } = await this.put.run(request);
    return { version, policyJson: JSON.stringify(policy) };
  }
}

/** What was decided about sends. */
@Controller()
@DecisionQueryServiceControllerMethods()
export class DecisionQueryController implements DecisionQueryServiceController {
  constructor(private readonly read: ReadPersons) {}

  async listDecisions(request: ListDecisionsRequest): Promise<ListDecisionsResponse> {
    const { tenantId, personId, decision, rule, fromMs, toMs } = request;
    const messageId = request.messageId === '' ? undefined : uuidOfId('msg', request.messageId);
    if (request.messageId !== '' && messageId === undefined)
      throw invalid('query.messageId', 'is no ID of a message');
    const limit = pageLimit(request.limit);
    const filter = { personId, messageId, kind: decision, rule, fromMs, toMs };
    const found = await this.read.decisions(tenantId, filter, beforeOf('evt', request.cursor), limit + 1);
    const { page, nextCursor } = pageOf(found, limit, ({ id }) => [idOfUuid('evt', id)]);
    return { decisions: page.map(decisionMessage), nextCursor };
  }
}
