import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type CreateRuleRequest,
  type CreateRuleResponse,
  type DeleteRuleRequest,
  type DeleteRuleResponse,
  type DryRunRuleRequest,
  type DryRunRuleResponse,
  type GetRuleRequest,
  type GetRuleResponse,
  type ListRuleEffectsRequest,
  type ListRuleEffectsResponse,
  type ListRulesRequest,
  type ListRulesResponse,
  type UpdateRuleRequest,
  type UpdateRuleResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { auditActor, type AuditActor } from '@posthorn/postgres/audit-outgoing.js';
import { DryRunRule } from '../application/dry-run-rule.js';
import { SaveRule, type RuleActor } from '../application/save-rule.js';
import { pageLimit } from '../domain/page.js';
import { ReaderDatabase } from '../persistence/databases.js';
import { RuleEffectRead } from '../persistence/rule-effect.read.js';
import { RuleRead } from '../persistence/rule.read.js';
import { afterOf, cursorOf, filterUuid, uuidOr } from './event-query.dto.js';
import { actionOf, dryRunMessageOf, effectMessageOf, ruleMessageOf, ruleUuidOf, whenOf } from './rule.dto.js';

const ACTOR_LENGTH_MAX = 128;

/** Rules of one tenant: what they are, and what they did. */
@Controller()
export class RuleController {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly rules: RuleRead,
    private readonly effects: RuleEffectRead,
    private readonly save: SaveRule,
    private readonly dryRun: DryRunRule,
  ) {}

  @GrpcMethod('RuleService', 'createRule')
  async createRule(request: CreateRuleRequest): Promise<CreateRuleResponse> {
    const { name, when, then, enabled } = request;
    const definition = { ...whenOf(when), action: actionOf(then) };
    return { rule: ruleMessageOf(await this.save.create(actorOf(request), name, definition, enabled)) };
  }

  @GrpcMethod('RuleService', 'updateRule')
  async updateRule(request: UpdateRuleRequest): Promise<UpdateRuleResponse> {
    const { name, when, then, enabled } = request;
    const change = {
      name,
      when: when && whenOf(when),
      action: then && actionOf(then),
      isEnabled: enabled,
    };
    return { rule: ruleMessageOf(await this.save.update(actorOf(request), ruleUuidOf(request.id), change)) };
  }

  @GrpcMethod('RuleService', 'deleteRule')
  async deleteRule(request: DeleteRuleRequest): Promise<DeleteRuleResponse> {
    await this.save.remove(actorOf(request), ruleUuidOf(request.id));
    return {};
  }

  @GrpcMethod('RuleService', 'dryRunRule')
  async dryRunRule(request: DryRunRuleRequest): Promise<DryRunRuleResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    return dryRunMessageOf(await this.dryRun.run(tenant, ruleUuidOf(request.id), request, request.limit));
  }

  @GrpcMethod('RuleQueryService', 'listRules')
  async listRules({ tenantId }: ListRulesRequest): Promise<ListRulesResponse> {
    const tenant = uuidOr('ten', tenantId, 'tenant.not_found');
    const rules = await this.db.tenantTransaction(tenant, (tx) => this.rules.list(tx, tenant));
    return { rules: rules.map(ruleMessageOf) };
  }

  @GrpcMethod('RuleQueryService', 'getRule')
  async getRule({ tenantId, id, version }: GetRuleRequest): Promise<GetRuleResponse> {
    const [tenant, ruleId] = [uuidOr('ten', tenantId, 'tenant.not_found'), ruleUuidOf(id)];
    const rule = await this.db.tenantTransaction(tenant, (tx) => this.rules.get(tx, tenant, ruleId, version));
    if (rule === undefined) throw new AppError('rule.not_found');
    return { rule: ruleMessageOf(rule) };
  }

  @GrpcMethod('RuleQueryService', 'listRuleEffects')
  async listRuleEffects(request: ListRuleEffectsRequest): Promise<ListRuleEffectsResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const filter = {
      ruleId: request.ruleId === '' ? '' : ruleUuidOf(request.ruleId),
      triggerEventId: filterUuid('evt', request.triggerEventId),
      state: request.state,
    };
    const [after, limit] = [afterOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, async (tx) => {
      // What a deleted rule did can be read still.
      if (filter.ruleId !== '' && !(await this.rules.isKnown(tx, tenant, filter.ruleId)))
        throw new AppError('rule.not_found');
      return this.effects.list(tx, tenant, filter, after, limit);
    });
    return { effects: items.map(effectMessageOf), nextCursor: cursorOf(next) };
  }
}

interface Asked {
  readonly tenantId: string;
  readonly actorId: string;
  readonly principal?: AuditActor | undefined;
}

function actorOf({ tenantId, actorId, principal }: Asked): RuleActor {
  if (actorId === '' || actorId.length > ACTOR_LENGTH_MAX)
    throw new AppError('request.invalid', {
      fields: [{ path: 'actorId', message: `must be 1 to ${ACTOR_LENGTH_MAX} characters` }],
    });
  const by = auditActor(principal, actorId);
  return { tenantId: uuidOr('ten', tenantId, 'tenant.not_found'), actor: actorId, by };
}
