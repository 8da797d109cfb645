import type { Clock } from '@posthorn/clock/clock.js';
import { idOfUuid, newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import { ruleFaults } from '../domain/rule-check.js';
import { InvalidExpression } from '../domain/rule-expression.js';
import { compileRule } from '../domain/rule-firing.js';
import { TENANT_COST_MAX } from '../domain/rule-set.js';
import { RULES_PER_TENANT_MAX, type RuleAction, type RuleDefinition } from '../domain/rule.js';
import type { RuleRead, RuleView } from '../persistence/rule.read.js';
import type { RuleStore, RuleWrite } from '../persistence/rule.store.js';
import type { RuleBook } from './rule-book.js';

/** What is said of a rule; what is undefined stays as it is. */
export interface RuleChange {
  readonly name?: string | undefined;
  readonly when?: Pick<RuleDefinition, 'types' | 'expression' | 'once'> | undefined;
  readonly action?: RuleAction | undefined;
  readonly isEnabled?: boolean | undefined;
}

/** Who changes rules of whom. `tenantId` is a UUID text, `actor` the ID of an API key. */
export interface RuleActor {
  readonly tenantId: string;
  readonly actor: string;
  readonly by: AuditActor;
}

/** Makes and changes rules. In force everywhere within two seconds, here at once. */
export class SaveRule {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly store: Pick<RuleStore, 'lockOthers' | 'create' | 'update' | 'remove'>,
    private readonly read: Pick<RuleRead, 'get'>,
    private readonly book: Pick<RuleBook, 'changed'>,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `request.invalid`, `limit.reached`. */
  async create(
    by: RuleActor,
    name: string,
    definition: RuleDefinition,
    isEnabled: boolean,
  ): Promise<RuleView> {
    const ruleId = uuidText(newUuid(this.clock.nowMs()));
    return this.save(by, ruleId, async (tx, others) => {
      if (others.rules >= RULES_PER_TENANT_MAX)
        throw new AppError('limit.reached', { detail: `a tenant has at most ${RULES_PER_TENANT_MAX} rules` });
      const rule = writeOf(by, { ruleId, name, version: 1, isEnabled, definition }, others.cost);
      await this.store.create(tx, rule);
      return { action: 'rule.created', detail: { after: seenOf(rule) } };
    });
  }

  /** @throws AppError `rule.not_found`, `request.invalid`, `limit.reached`. */
  async update(by: RuleActor, ruleId: string, change: RuleChange): Promise<RuleView> {
    return this.save(by, ruleId, async (tx, others) => {
      const known = await this.read.get(tx, by.tenantId, ruleId);
      if (known === undefined) throw new AppError('rule.not_found');
      const { name = known.name, isEnabled = known.isEnabled, when = known.definition } = change;
      const { types, expression, once } = when;
      const definition = { types, expression, once, action: change.action ?? known.definition.action };
      const version = known.version + 1;
      const draft = { ruleId, name, version, isEnabled, definition };
      const rule = writeOf(by, draft, others.cost, change.when !== undefined);
      await this.store.update(tx, rule);
      return { action: 'rule.updated', detail: { before: seenOf(known), after: seenOf(rule) } };
    });
  }

  /** @throws AppError `rule.not_found`. */
  async remove({ tenantId, by }: RuleActor, ruleId: string): Promise<void> {
    await this.db.tenantTransaction(tenantId, async (tx) => {
      const known = await this.read.get(tx, tenantId, ruleId);
      if (known === undefined || !(await this.store.remove(tx, tenantId, ruleId)))
        throw new AppError('rule.not_found');
      const act = { action: 'rule.deleted', detail: { before: seenOf(known) } };
      await this.audit.add(tx, [{ tenantId, actor: by, target: idOfUuid('rul', ruleId), ...act }]);
    });
    await this.book.changed();
  }

  private async save(
    { tenantId, by }: RuleActor,
    ruleId: string,
    write: (tx: Tx, others: { readonly rules: number; readonly cost: number }) => Promise<RuleAct>,
  ): Promise<RuleView> {
    const saved = await this.db.tenantTransaction(tenantId, async (tx) => {
      const act = await write(tx, await this.store.lockOthers(tx, tenantId, ruleId));
      const rule = await this.read.get(tx, tenantId, ruleId);
      await this.audit.add(tx, [{ tenantId, actor: by, target: idOfUuid('rul', ruleId), ...act }]);
      return rule;
    });
    await this.book.changed();
    return saved!;
  }
}

/** What the audit log says of it. */
interface RuleAct {
  readonly action: string;
  readonly detail: object;
}

/** Each version is kept: its number leads to what it says. */
const seenOf = ({ version, isEnabled }: Pick<RuleWrite, 'version' | 'isEnabled'>) => ({ version, isEnabled });

type Draft = Pick<RuleWrite, 'ruleId' | 'name' | 'version' | 'isEnabled' | 'definition'>;

function writeOf({ tenantId, actor }: RuleActor, draft: Draft, othersCost: number, isSaid = true): RuleWrite {
  const cost = checkedCost(tenantId, isSaid, draft);
  if (draft.isEnabled && othersCost + cost > TENANT_COST_MAX)
    throw new AppError('limit.reached', {
      detail: `the rules in force may cost ${TENANT_COST_MAX} together; the others cost ${othersCost}, this one ${cost}`,
    });
  return { tenantId, ...draft, cost, changedBy: actor };
}

/** @param isSaid one that was saved before this was asked stays: its rule can still be renamed, or switched off. */
function checkedCost(
  tenantId: string,
  isSaid: boolean,
  { ruleId, name, version, definition }: Draft,
): number {
  const fields = ruleFaults(name, definition);
  if (fields.length > 0) throw new AppError('request.invalid', { fields });
  const ids = { tenantId: uuidBytes(tenantId), ruleId: uuidBytes(ruleId) };
  try {
    const { condition, cost } = compileRule({ ...ids, version, effectiveAtMs: 0, definition });
    if (isSaid && condition?.isNoCondition === true)
      throw new InvalidExpression('the expression is no condition');
    return Math.ceil(cost);
  } catch (error) {
    if (!(error instanceof InvalidExpression)) throw error;
    const path = error.message.startsWith('{{') ? 'then' : 'when.expression';
    throw new AppError('request.invalid', { fields: [{ path, message: error.message }] });
  }
}
