import { uuidBytes } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { TimeSpan } from '../domain/page.js';
import { dryRun, firstOfKeys, type StoredSeen } from '../domain/rule-dry-run.js';
import { triggerTypesOf } from '../domain/rule-facts.js';
import { compileRule, type Firing } from '../domain/rule-firing.js';
import { fillTemplate, parseTemplate } from '../domain/rule-template.js';
import { isTypeOf } from '../domain/rule.js';
import type { RuleDryRunRead } from '../persistence/rule-dry-run.read.js';
import type { RuleEffectRead } from '../persistence/rule-effect.read.js';
import type { RuleRead } from '../persistence/rule.read.js';

const EVENTS_DEFAULT = 200;
const EVENTS_MAX = 1_000;
const SAMPLES_MAX = 50;

/** One event for which a rule would do something, or could not be judged. */
export interface DryRunSample {
  readonly eventId: Buffer;
  readonly type: string;
  readonly outcome: 'fire' | 'repeat' | 'error';
  readonly detail: string;
}

/** What a rule would have done. */
export interface DryRunReport {
  readonly eventsRead: number;
  readonly eventsOfType: number;
  readonly wouldFire: number;
  readonly wouldRepeat: number;
  readonly errors: number;
  readonly samples: readonly DryRunSample[];
}

/** Tries a rule on stored events, also one that is not in force. Writes nothing. */
export class DryRunRule {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly rules: Pick<RuleRead, 'get'>,
    private readonly effects: Pick<RuleEffectRead, 'firedKeys'>,
    private readonly events: RuleDryRunRead,
  ) {}

  /** @param limit events, the newest of that time; 0 = 200. @throws AppError `rule.not_found`, `request.invalid`. */
  async run(tenantId: string, ruleId: string, span: TimeSpan, limit: number): Promise<DryRunReport> {
    if (limit > EVENTS_MAX)
      throw new AppError('request.invalid', {
        fields: [{ path: 'limit', message: `must be at most ${EVENTS_MAX}` }],
      });
    return this.db.tenantTransaction(tenantId, async (tx) => {
      const known = await this.rules.get(tx, tenantId, ruleId);
      if (known === undefined) throw new AppError('rule.not_found');
      const { version, definition } = known;
      const ids = { tenantId: uuidBytes(tenantId), ruleId: uuidBytes(ruleId) };
      const rule = compileRule({ ...ids, version, effectiveAtMs: 0, definition });
      const seen = await this.events.newest(tx, tenantId, span, limit || EVENTS_DEFAULT);
      const judgements = dryRun(rule, seen);
      const firings = judgements.flatMap((judged) => (judged?.kind === 'fires' ? [judged.firing] : []));
      const keys = firings.map(({ triggerKey }) => triggerKey);
      const first = firstOfKeys(firings, await this.effects.firedKeys(tx, tenantId, ids.ruleId, keys));
      const samples = judgements.flatMap((judged, index) => {
        if (judged === undefined) return [];
        const { event } = seen[index]!.transition;
        const shown =
          judged.kind === 'error'
            ? { outcome: 'error' as const, detail: judged.detail }
            : shownOf(judged.firing, first);
        return [{ eventId: event.eventId, type: event.type, ...shown }];
      });
      const count = (outcome: string): number => samples.filter((one) => one.outcome === outcome).length;
      return {
        eventsRead: seen.length,
        eventsOfType: seen.filter((one) => isOfType(one, definition.types)).length,
        wouldFire: count('fire'),
        wouldRepeat: count('repeat'),
        errors: count('error'),
        samples: samples.slice(0, SAMPLES_MAX),
      };
    });
  }
}

const isOfType = ({ transition }: StoredSeen, types: readonly string[]): boolean =>
  triggerTypesOf(transition).some((type) => isTypeOf(types, type));

function shownOf(firing: Firing, first: ReadonlySet<Firing>): Pick<DryRunSample, 'outcome' | 'detail'> {
  const { action } = firing.rule.definition;
  const detail = action.kind === 'send' ? fillTemplate(parseTemplate(action.text), firing.values) : '';
  return { outcome: first.has(firing) ? 'fire' : 'repeat', detail };
}
