import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { mergeConsents, type ConsentChange } from '../domain/person-consent.js';
import type { BatchProjection } from '../domain/project-batch.js';
import {
  personOf,
  ruleFactsOf,
  type RuleFacts,
  type SeenConsent,
  type SeenEvent,
} from '../domain/rule-facts.js';
import { judgeRule, type CompiledRule, type Firing, type Judgement } from '../domain/rule-firing.js';
import type { RuleSet } from '../domain/rule-set.js';
import type { NewEffect, RuleEffectStore } from '../persistence/rule-effect.store.js';
import type { RuleMetrics } from './rule-metrics.js';
import type { RuleTallies } from './rule-tallies.js';

/** What the rules made of a batch; told once the transaction has committed. */
export interface Fired {
  readonly effects: readonly Firing[];
  readonly errors: readonly { readonly rule: CompiledRule; readonly detail: string }[];
}

type Projected = Pick<BatchProjection, 'seen' | 'merged' | 'consents'>;

/** After this long the process's other work gets its turn. */
const TURN_MS = 10;
const NOTHING: Fired = { effects: [], errors: [] };
const UNKNOWN: SeenConsent = { optedOutAtMs: 0, optedInAtMs: 0 };

/** Judges what a batch left, and commits what rules fire in the batch's own transaction. */
export class FireRules {
  constructor(
    private readonly store: Pick<RuleEffectStore, 'consents' | 'add' | 'merge'>,
    private readonly tallies: RuleTallies,
    private readonly onCommit: { wake(): void },
    private readonly clock: Clock,
    private readonly metrics: RuleMetrics,
  ) {}

  async run(tx: Tx, rules: RuleSet, batch: Projected): Promise<Fired> {
    const merged = batch.merged.filter(({ tenantId }) => rules.ofTenant(tenantId).length > 0);
    if (merged.length > 0) await this.store.merge(tx, merged);
    if (batch.seen.length === 0) return NOTHING;
    const consents = await this.consentsOf(tx, batch);
    const { firings, errors } = await this.judge(rules, batch.seen, consents);
    if (firings.length === 0) return { effects: [], errors };
    const effects = effectsOf(firings, this.clock.nowMs());
    const { added, tooOften } = await this.store.add(tx, effects);
    const among = (ids: ReadonlySet<string>): Firing[] =>
      effects.filter(({ effectId }) => ids.has(uuidText(effectId))).map(({ firing }) => firing);
    const excess = among(tooOften).map(({ rule }) => ({
      rule,
      detail: 'it fired too often for one conversation',
    }));
    return { effects: among(added), errors: [...errors, ...excess] };
  }

  committed({ effects, errors }: Fired): void {
    for (const { rule } of effects) {
      this.tallies.fired(rule);
      this.metrics.fired.inc({ action: rule.definition.action.kind });
    }
    for (const { rule, detail } of errors) {
      this.tallies.failed(rule, detail);
      this.metrics.errors.inc();
    }
    if (effects.length > 0) this.onCommit.wake();
  }

  private async judge(
    rules: RuleSet,
    seen: readonly SeenEvent[],
    consents: ReadonlyMap<string, SeenConsent>,
  ): Promise<{ firings: Firing[]; errors: { rule: CompiledRule; detail: string }[] }> {
    const [firings, errors]: [Firing[], { rule: CompiledRule; detail: string }[]] = [[], []];
    let turnEndsMs = this.clock.monotonicMs() + TURN_MS;
    for (const one of seen) {
      const consent = consents.get(personNameOf(one) ?? '') ?? UNKNOWN;
      let known: RuleFacts | undefined;
      for (const rule of rules.ofTenant(one.transition.event.tenantId)) {
        const judgement = judgeSafely(rule, one, consent, () => (known ??= ruleFactsOf(one, consent)));
        if (judgement?.kind === 'fires') firings.push(judgement.firing);
        if (judgement?.kind === 'error') errors.push({ rule, detail: judgement.detail });
      }
      if (this.clock.monotonicMs() < turnEndsMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turnEndsMs = this.clock.monotonicMs() + TURN_MS;
    }
    return { firings, errors };
  }

  /** As it is after the batch: what says no counts at once, also for the events just before. */
  private async consentsOf(tx: Tx, { seen, consents }: Projected): Promise<Map<string, SeenConsent>> {
    const persons = new Map<string, Pick<ConsentChange, 'tenantId' | 'personHash'>>();
    for (const one of seen) {
      const personHash = seenPersonOf(one);
      if (personHash !== undefined)
        persons.set(nameOf(one.transition.event.tenantId, personHash), {
          tenantId: one.transition.event.tenantId,
          personHash,
        });
    }
    const stored = await this.store.consents(tx, [...persons.values()]);
    const known = mergeConsents([...stored, ...consents]);
    return new Map(known.map((change) => [nameOf(change.tenantId, change.personHash), change]));
  }
}

/** A bug of ours in a rule must not put the event aside that it looked at. */
function judgeSafely(...args: Parameters<typeof judgeRule>): Judgement | undefined {
  try {
    return judgeRule(...args);
  } catch (error) {
    return { kind: 'error', detail: error instanceof Error ? error.message : String(error) };
  }
}

/** In the order of their keys; of one key the first. */
function effectsOf(firings: readonly Firing[], nowMs: number): NewEffect[] {
  const byKey = new Map<string, Firing>();
  for (const firing of firings) {
    const name = keyNameOf(firing);
    if (!byKey.has(name)) byKey.set(name, firing);
  }
  const ordinals = new Map<string, number>();
  return [...byKey]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, firing]) => {
      const subjectId = subjectOf(firing);
      const name = nameOf(firing.rule.ruleId, subjectId);
      const ordinal = (ordinals.get(name) ?? 0) + 1;
      ordinals.set(name, ordinal);
      return { effectId: newUuid(nowMs), subjectId, firing, ordinal };
    });
}

const keyNameOf = ({ rule, triggerKey }: Firing): string =>
  [rule.tenantId, triggerKey, rule.ruleId].map((bytes) => bytes.toString('hex')).join();

const subjectOf = ({ rule, seen, personHash }: Firing): Buffer =>
  seen.conversation?.conversationId ?? personHash ?? seen.message?.messageId ?? rule.tenantId;

const seenPersonOf = ({ transition, message, conversation }: SeenEvent): Buffer | undefined =>
  personOf(transition.event, message, conversation);

function personNameOf(seen: SeenEvent): string | undefined {
  const personHash = seenPersonOf(seen);
  return personHash && nameOf(seen.transition.event.tenantId, personHash);
}

const nameOf = (a: Buffer, b: Buffer): string => `${a.toString('latin1')}${b.toString('latin1')}`;
