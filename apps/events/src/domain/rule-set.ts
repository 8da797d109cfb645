import { mayTrigger, type CompiledRule } from './rule-firing.js';
import type { LoggedEvent } from './project-event.js';

/** More than this of a tenant's rules are not in force: what they cost is taken from everybody's events. */
export const TENANT_COST_MAX = 2_000;

const NONE: readonly CompiledRule[] = [];

/** The rules that are in force now. Events of a tenant without rules cost one look-up, or none. */
export class RuleSet {
  private readonly byTenant = new Map<string, readonly CompiledRule[]>();

  constructor(rules: readonly CompiledRule[] = []) {
    const cheapestFirst = [...rules].sort((a, b) => a.cost - b.cost || Buffer.compare(a.ruleId, b.ruleId));
    const costs = new Map<string, number>();
    for (const rule of cheapestFirst) {
      const name = nameOf(rule.tenantId);
      const cost = (costs.get(name) ?? 0) + rule.cost;
      if (cost > TENANT_COST_MAX) continue;
      costs.set(name, cost);
      this.byTenant.set(name, [...(this.byTenant.get(name) ?? NONE), rule]);
    }
  }

  get size(): number {
    return [...this.byTenant.values()].reduce((sum, rules) => sum + rules.length, 0);
  }

  ofTenant(tenantId: Buffer): readonly CompiledRule[] {
    return this.byTenant.size === 0 ? NONE : (this.byTenant.get(nameOf(tenantId)) ?? NONE);
  }

  /** Whether a rule may look at what the event leaves. */
  readonly watches = ({ tenantId, type }: LoggedEvent): boolean =>
    this.ofTenant(tenantId).some((rule) => mayTrigger(rule, type));
}

const nameOf = (tenantId: Buffer): string => tenantId.toString('latin1');
