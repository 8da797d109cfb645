import type { Clock } from '@posthorn/clock/clock.js';
import type { RuleTally } from '../persistence/rule.store.js';

type RuleKey = Pick<RuleTally, 'tenantId' | 'ruleId'>;

/** What rules did, until it is written to them; lost with the process, as nothing depends on it. */
export class RuleTallies {
  private tallies = new Map<string, RuleTally>();

  constructor(private readonly clock: Pick<Clock, 'nowMs'>) {}

  fired(rule: RuleKey): void {
    const known = this.of(rule);
    this.put({ ...known, fired: known.fired + 1, firedAtMs: this.clock.nowMs() });
  }

  failed(rule: RuleKey, lastError: string): void {
    const known = this.of(rule);
    this.put({ ...known, errors: known.errors + 1, lastError, lastErrorAtMs: this.clock.nowMs() });
  }

  /** Everything since the last time; one entry for each rule. */
  take(): RuleTally[] {
    const taken = [...this.tallies.values()];
    this.tallies = new Map();
    return taken;
  }

  private of({ tenantId, ruleId }: RuleKey): RuleTally {
    return (
      this.tallies.get(nameOf({ tenantId, ruleId })) ?? {
        ...{ tenantId, ruleId, fired: 0, firedAtMs: 0, errors: 0, lastError: '', lastErrorAtMs: 0 },
      }
    );
  }

  private put(tally: RuleTally): void {
    this.tallies.set(nameOf(tally), tally);
  }
}

const nameOf = ({ tenantId, ruleId }: RuleKey): string =>
  `${tenantId.toString('latin1')}${ruleId.toString('latin1')}`;
