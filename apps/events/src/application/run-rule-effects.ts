import type { Clock } from '@posthorn/clock/clock.js';
import { uuidBytes } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { DueEffect, EffectEnd, RuleEffectStore } from '../persistence/rule-effect.store.js';
import type { PerformRuleEffect } from './perform-rule-effect.js';
import type { RuleMetrics } from './rule-metrics.js';
import type { RuleTallies } from './rule-tallies.js';

/** Finds what other processes committed, and what a crash left. */
const POLL_INTERVAL_MS = 1_000;
/** Effects that one process carries out at the same time. */
const AT_ONCE_MAX = 16;
/** Rounds one after another; then the loop gives way until it is woken or polls. */
const ROUNDS_MAX = 100;
/** Longer than any attempt takes: after it the effect is anybody's again. */
const LEASE_MS = 30_000;
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 300_000;
/** As many as the longest pauses leave room for while an effect is of use. */
const ATTEMPTS_MAX = 300;
/** What could not be done by then is of no use any more. */
export const EFFECT_VALID_MS = 24 * 60 * 60 * 1_000;
const DETAIL_LENGTH_MAX = 500;

/** Carries out what rules fired, after it was committed: each at least once, and known to whoever does it by its key. */
export class RunRuleEffects {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isAnotherDue = false;
  private isStopped = false;

  constructor(
    private readonly db: Pick<Database, 'query' | 'transaction'>,
    private readonly store: RuleEffectStore,
    private readonly perform: Pick<PerformRuleEffect, 'run'>,
    private readonly tallies: RuleTallies,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
    private readonly metrics: RuleMetrics,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.wake(), POLL_INTERVAL_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.running;
  }

  /** There may be something to do. */
  wake(): void {
    if (this.isStopped) return;
    this.isAnotherDue = true;
    this.running ??= this.rounds().finally(() => (this.running = undefined));
  }

  /** One round. @returns how many effects were tried. */
  async run(): Promise<number> {
    const due = await this.store.claim(this.db, AT_ONCE_MAX, LEASE_MS);
    await Promise.all(due.map((effect) => this.tryOne(effect)));
    return due.length;
  }

  private async rounds(): Promise<void> {
    try {
      for (let round = 0; round < ROUNDS_MAX && !this.isStopped; round += 1) {
        this.isAnotherDue = false;
        if ((await this.run()) < AT_ONCE_MAX && !this.isAnotherDue) return;
      }
    } catch (err) {
      this.log.warn({ err, stage: 'rules' }, 'what rules fired waits');
    }
  }

  private async tryOne(effect: DueEffect): Promise<void> {
    const { kind: action } = effect.action;
    const validUntilMs = effect.firedAtMs + EFFECT_VALID_MS;
    try {
      if (validUntilMs <= this.clock.nowMs()) {
        await this.fail(effect, { errorCode: '', detail: 'it could not be done within 24 h' });
        return;
      }
      const { result, tag } = await this.perform.run(effect, validUntilMs);
      await this.db.transaction(async (tx) => {
        if (tag !== undefined) await this.store.tag(tx, effect, tag.target, tag.targetId, tag.tag);
        await this.store.finish(tx, effect, { state: 'done', result, errorCode: '', detail: '' });
      });
      this.metrics.effects.inc({ action, outcome: 'done' });
    } catch (error) {
      await this.afterError(effect, error);
    }
  }

  /** Never rejects: what is not written is due again when the lease ends. */
  private async afterError(effect: DueEffect, error: unknown): Promise<void> {
    const why = reasonOf(error);
    const isLast =
      effect.attemptCount >= ATTEMPTS_MAX || (error instanceof AppError && !error.entry.retryable);
    try {
      if (isLast) return await this.fail(effect, why);
      const delayMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (effect.attemptCount - 1));
      await this.store.postpone(this.db, effect, delayMs, why);
      this.metrics.effects.inc({ action: effect.action.kind, outcome: 'postponed' });
    } catch (err) {
      this.log.warn({ err, stage: 'rules' }, 'the end of an effect was not written');
    }
  }

  private async fail(effect: DueEffect, why: Pick<EffectEnd, 'errorCode' | 'detail'>): Promise<void> {
    await this.store.finish(this.db, effect, { state: 'failed', result: '', ...why });
    const { tenantId, ruleId, action } = effect;
    this.tallies.failed(
      { tenantId: uuidBytes(tenantId), ruleId: uuidBytes(ruleId) },
      [why.errorCode, why.detail].filter((text) => text !== '').join(': '),
    );
    this.metrics.effects.inc({ action: action.kind, outcome: 'failed' });
    this.log.info({ stage: 'rules', ...why }, 'what a rule fired could not be done');
  }
}

/** What may be shown: of an error that is not ours, nothing. */
function reasonOf(error: unknown): Pick<EffectEnd, 'errorCode' | 'detail'> {
  if (!(error instanceof AppError)) return { errorCode: 'internal.error', detail: '' };
  const fields = error.fields.map(({ path, message }) => `${path} ${message}`).join(', ');
  const detail = [error.detail ?? '', fields].filter((text) => text !== '').join(': ');
  return { errorCode: error.code, detail: detail.slice(0, DETAIL_LENGTH_MAX) };
}
