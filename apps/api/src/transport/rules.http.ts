import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { EventsClient } from '../clients/events.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { askedBy } from './applied.js';
import { type Call, CallOf, Route } from './route.js';
import {
  createRule,
  dryRun,
  dryRunReport,
  dryRunReportOf,
  effectsQuery,
  rule,
  ruleEffect,
  ruleEffectOf,
  ruleOf,
  ruleQuery,
  ruleThenOf,
  updateRule,
} from './rules.dto.js';
import { listOf, msOf, type Page, page, pageOf } from './shapes.dto.js';

const BASE = '/v1/tenants/{tenant}/rules';
const read = { principal: 'tenant', scope: 'rules:read' } as const;
const write = { principal: 'tenant', scope: 'rules:write' } as const;
const NOT_FOUND = 'rule.not_found';

/** Rules: when an event comes and an expression holds, then one action, once. */
@Controller()
export class RulesController {
  constructor(
    private readonly events: EventsClient,
    private readonly tenants: TenantsClient,
  ) {}

  @Route({
    method: 'POST',
    path: BASE,
    tag: 'Rules',
    summary: 'Create a rule; events that were stored before are none of its business',
    access: write,
    body: createRule,
    status: 201,
    response: rule,
    errors: ['limit.reached', 'source.not_found'],
  })
  async create(@CallOf() call: Call<z.infer<typeof createRule>>) {
    const { name, when, then, enabled } = call.body;
    await this.checkSource(call.tenant.id, then);
    const answer = await this.events.rules.createRule(
      { ...askedBy(call), name, when, then: ruleThenOf(then), enabled },
      this.events.act,
    );
    return ruleOf(answer.rule!);
  }

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Rules',
    summary: 'List rules, newest first',
    access: read,
    query: page,
    status: 200,
    response: listOf(rule),
  })
  async list(@CallOf() { tenant, query: { limit, cursor } }: Call<unknown, Page>) {
    const { rules } = await this.events.ruleQuery.listRules({ tenantId: tenant.id }, this.events.read);
    // They are few and come at once; an ID sorts by the time when its rule was made.
    const after = rules
      .filter(({ id }) => cursor === undefined || id < cursor)
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    const shown = after.slice(0, limit);
    return pageOf(shown, ruleOf, after.length > limit ? shown.at(-1)!.id : '');
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}`,
    tag: 'Rules',
    summary: 'One rule, now or in an earlier version',
    access: read,
    query: ruleQuery,
    status: 200,
    response: rule,
    errors: [NOT_FOUND],
  })
  async get(@CallOf() { tenant, params, query }: Call<unknown, z.infer<typeof ruleQuery>>) {
    const answer = await this.events.ruleQuery.getRule(
      { tenantId: tenant.id, id: params['id']!, version: query.version ?? 0 },
      this.events.read,
    );
    return ruleOf(answer.rule!);
  }

  @Route({
    method: 'PATCH',
    path: `${BASE}/{id}`,
    tag: 'Rules',
    summary: 'Change a rule; the change is a new version',
    access: write,
    body: updateRule,
    status: 200,
    response: rule,
    errors: [NOT_FOUND, 'limit.reached', 'source.not_found'],
  })
  async update(@CallOf() call: Call<z.infer<typeof updateRule>>) {
    const { name, when, then, enabled } = call.body;
    await this.checkSource(call.tenant.id, then);
    const answer = await this.events.rules.updateRule(
      {
        ...{ ...askedBy(call), id: call.params['id']! },
        ...{ name, when, then: then && ruleThenOf(then), enabled },
      },
      this.events.act,
    );
    return ruleOf(answer.rule!);
  }

  @Route({
    method: 'DELETE',
    path: `${BASE}/{id}`,
    tag: 'Rules',
    summary: 'Delete a rule; what it fired before is still carried out',
    access: write,
    status: 204,
    errors: [NOT_FOUND],
  })
  async delete(@CallOf() call: Call) {
    await this.events.rules.deleteRule({ ...askedBy(call), id: call.params['id']! }, this.events.act);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/dry-run`,
    tag: 'Rules',
    summary: 'What a rule would have done with stored events; does nothing',
    access: read,
    body: dryRun,
    status: 200,
    response: dryRunReport,
    errors: [NOT_FOUND],
  })
  async dryRun(@CallOf() { tenant, params, body }: Call<z.infer<typeof dryRun>>) {
    const { from, to, limit } = body;
    const answer = await this.events.rules.dryRunRule(
      { tenantId: tenant.id, id: params['id']!, fromMs: msOf(from), toMs: msOf(to), limit },
      this.events.long,
    );
    return dryRunReportOf(answer);
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}/effects`,
    tag: 'Rules',
    summary: 'What a rule fired, newest first, and what became of it; also of one that is deleted',
    access: read,
    query: effectsQuery,
    status: 200,
    response: listOf(ruleEffect),
    errors: [NOT_FOUND],
  })
  async effects(@CallOf() { tenant, params, query }: Call<unknown, z.infer<typeof effectsQuery>>) {
    const answer = await this.events.ruleQuery.listRuleEffects(
      {
        ...{ tenantId: tenant.id, ruleId: params['id']!, limit: query.limit, cursor: query.cursor ?? '' },
        ...{ triggerEventId: query.triggerEventId ?? '', state: query.state ?? '' },
      },
      this.events.read,
    );
    return pageOf(answer.effects, ruleEffectOf, answer.nextCursor);
  }

  /** What a rule would send through must be there: else each of its effects would fail. */
  private async checkSource(tenantId: string, then: z.infer<typeof updateRule>['then']): Promise<void> {
    if (then?.action === 'send' && then.sourceId !== undefined)
      await this.tenants.source(tenantId, then.sourceId);
  }
}
