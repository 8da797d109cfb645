import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { wakeSubject } from '@posthorn/jetstream/subjects.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { compileRule, type CompiledRule } from '../domain/rule-firing.js';
import { RuleSet } from '../domain/rule-set.js';
import type { RuleVersion } from '../domain/rule.js';
import type { RuleStore } from '../persistence/rule.store.js';
import type { RuleMetrics } from './rule-metrics.js';
import type { RuleTallies } from './rule-tallies.js';

const SUBJECT = wakeSubject('events.rules');
/** A lost wake costs this. */
const POLL_INTERVAL_MS = 1_000;
/** Then everything is read anew: a database that was restored counts its transactions from somewhere else. */
const RELOAD_INTERVAL_MS = 60_000;

/**
 * The rules of all tenants, compiled once a version.
 * Nothing is projected before they are known: an event that no rule looked at would never be looked at again.
 */
export class RuleBook {
  private readonly rules = new Map<string, CompiledRule>();
  private set: RuleSet | undefined;
  private since = '0';
  private loadedAtMs = 0;
  private loading: Promise<void> | undefined;
  private isAnotherDue = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly store: Pick<RuleStore, 'changed' | 'tally'>,
    private readonly tallies: RuleTallies,
    private readonly link: Pick<NatsLink, 'publish' | 'subscribe'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    private readonly metrics: RuleMetrics,
  ) {}

  onApplicationBootstrap(): void {
    this.link.subscribe(SUBJECT, () => this.look());
    this.timer = setInterval(() => this.look(), POLL_INTERVAL_MS);
    this.look();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.loading;
    await this.tell();
  }

  /** What is in force. @throws AppError `store.unavailable` as long as it could not be read. */
  async current(): Promise<RuleSet> {
    if (this.set === undefined) await (this.loading ?? this.startLoading());
    if (this.set === undefined) throw new AppError('store.unavailable', { detail: 'no rules yet' });
    return this.set;
  }

  /** Called after a rule was changed: here, and by a message that may get lost in every other process. */
  async changed(): Promise<void> {
    this.link.publish(SUBJECT);
    await this.loading;
    await this.startLoading();
  }

  private look(): void {
    if (this.loading === undefined) void this.startLoading();
    else this.isAnotherDue = true;
  }

  private startLoading(): Promise<void> {
    this.loading ??= this.load().finally(() => {
      this.loading = undefined;
      if (this.isAnotherDue) this.look();
    });
    return this.loading;
  }

  private async load(): Promise<void> {
    this.isAnotherDue = false;
    try {
      const isReload =
        this.clock.monotonicMs() - this.loadedAtMs >= RELOAD_INTERVAL_MS || this.set === undefined;
      const { before, inForce, gone } = await this.store.changed(this.db, isReload ? '0' : this.since);
      if (isReload) this.loadedAtMs = this.clock.monotonicMs();
      this.since = before;
      this.apply(inForce, gone, isReload);
      await this.tell();
    } catch (err) {
      this.log.warn({ err, stage: 'rules' }, 'rules were not read');
    }
  }

  private apply(
    inForce: readonly RuleVersion[],
    gone: readonly Pick<RuleVersion, 'tenantId' | 'ruleId'>[],
    isReload: boolean,
  ): void {
    const before = new Map(this.rules);
    if (isReload) this.rules.clear();
    for (const rule of gone) this.rules.delete(nameOf(rule));
    for (const rule of inForce) {
      const known = before.get(nameOf(rule));
      const compiled =
        known?.version === rule.version && known.effectiveAtMs === rule.effectiveAtMs
          ? known
          : this.compile(rule);
      if (compiled === undefined) this.rules.delete(nameOf(rule));
      else this.rules.set(nameOf(rule), compiled);
    }
    if (this.set !== undefined && inForce.length + gone.length === 0 && !isReload) return;
    this.set = new RuleSet([...this.rules.values()]);
    this.metrics.inForce.set(this.set.size);
  }

  /** What an older version took may be refused by this one: it is said on the rule, and the others go on. */
  private compile(rule: RuleVersion): CompiledRule | undefined {
    try {
      return compileRule(rule);
    } catch (error) {
      this.tallies.failed(rule, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  private async tell(): Promise<void> {
    const tallies = this.tallies.take();
    if (tallies.length === 0) return;
    try {
      await this.store.tally(this.db, tallies);
    } catch (err) {
      this.log.warn({ err, stage: 'rules' }, 'what rules did was not written to them');
    }
  }
}

const nameOf = ({ tenantId, ruleId }: Pick<RuleVersion, 'tenantId' | 'ruleId'>): string =>
  `${tenantId.toString('latin1')}${ruleId.toString('latin1')}`;
