import { isUnverified } from './intake.js';
import { asPlaceholder, parseTemplate } from './rule-template.js';
import { compileExpression, InvalidExpression, type RuleExpression } from './rule-expression.js';
import { partOf } from './project-event.js';
import {
  personOf,
  ruleFactsOf,
  triggerTypesOf,
  type RuleFacts,
  type SeenConsent,
  type SeenEvent,
} from './rule-facts.js';
import { triggerKeyOf } from './rule-key.js';
import { answeredSignalOf, isAnswer, isTypeOf, textsOf, type RuleAction, type RuleVersion } from './rule.js';

/** A version of a rule, ready to judge events. */
export interface CompiledRule extends RuleVersion {
  readonly condition: RuleExpression | undefined;
  /** Of all placeholders, in their order. */
  readonly placeholders: readonly RuleExpression[];
  /** Microseconds, about; the most that one event takes. */
  readonly cost: number;
}

/** What a rule fired. IDs are 16 bytes. */
export interface Firing {
  readonly rule: CompiledRule;
  readonly triggerKey: Buffer;
  readonly seen: SeenEvent;
  readonly personHash: Buffer | undefined;
  /** The values of the action's placeholders; after them, of an answer, the signal that it answers. */
  readonly values: readonly string[];
}

/** What came of an event and a rule; undefined when the rule does not apply. */
export type Judgement =
  { readonly kind: 'fires'; readonly firing: Firing } | { readonly kind: 'error'; readonly detail: string };

/** @throws InvalidExpression naming the text that is wrong. */
export function compileRule(version: RuleVersion): CompiledRule {
  const { definition } = version;
  const condition = definition.expression === '' ? undefined : compileExpression(definition.expression);
  const placeholders = textsOf(definition.action)
    .flatMap((text) => parseTemplate(text).expressions)
    .map((expression) => {
      try {
        return compileExpression(expression);
      } catch (error) {
        if (!(error instanceof InvalidExpression)) throw error;
        throw new InvalidExpression(`{{ ${expression.slice(0, 64)} }}: ${error.message}`);
      }
    });
  const cost = [condition, ...placeholders].reduce((sum, part) => sum + (part?.cost ?? 0), 0);
  return { ...version, condition, placeholders, cost };
}

/** The types of events that can trigger a rule at all, by what stands before the first dot. */
export const mayTrigger = ({ definition }: RuleVersion, eventType: string): boolean =>
  definition.types.some((type) => {
    const family = familyOf(type);
    if (family.includes('*') || family === familyOf(eventType)) return true;
    // A reply is a message, and a fact about its conversation.
    return family === 'conversation' && eventType === 'message.received';
  });

const familyOf = (type: string): string => type.split('.', 1)[0]!;

/**
 * Judges one event. Never throws for what an expression does.
 * @param factsOnce asked for when a rule needs the facts; the same for all rules of an event.
 */
export function judgeRule(
  rule: CompiledRule,
  seen: SeenEvent,
  consent: SeenConsent,
  factsOnce: () => RuleFacts = () => ruleFactsOf(seen, consent),
): Judgement | undefined {
  const { event } = seen.transition;
  const { types, once, action } = rule.definition;
  if (event.storedAtMs < rule.effectiveAtMs) return undefined;
  // The whole text triggers it, once.
  if (partOf(event) !== undefined) return undefined;
  if (isUnverified(event.attributes) && !mayFireUnverified(rule)) return undefined;
  if (!triggerTypesOf(seen.transition).some((type) => isTypeOf(types, type))) return undefined;
  if (rule.condition !== undefined) {
    const result = rule.condition.evaluate(factsOnce());
    if (result.kind === 'error') return result;
    if (typeof result.value !== 'boolean') return { kind: 'error', detail: 'the expression is no condition' };
    if (!result.value) return undefined;
  }
  const personHash = personOf(event, seen.message, seen.conversation);
  const missing = missingOf(action, seen, personHash);
  if (missing !== undefined) return { kind: 'error', detail: `the event has no ${missing}` };
  const triggerKey = triggerKeyOf(once, seen, consent);
  if (triggerKey === undefined)
    return { kind: 'error', detail: `the event has no ${once === 'message' ? 'message' : 'conversation'}` };
  const values: string[] = [];
  for (const placeholder of rule.placeholders) {
    const result = placeholder.evaluate(factsOnce());
    if (result.kind === 'error') return result;
    values.push(asPlaceholder(result.value));
  }
  if (isAnswer(action)) values.push(event.attributes.signal);
  return { kind: 'fires', firing: { rule, triggerKey, seen, personHash, values } };
}

/**
 * Whether it fires for an event that nobody vouches for. What restricts does; what allows never: whoever can post here
 * could have us write to anybody. The rest does where the rule says that it knows of such events.
 */
const mayFireUnverified = ({ definition: { action }, condition }: CompiledRule): boolean =>
  action.kind === 'suppress' || (action.kind !== 'send' && condition?.isAboutAuthenticity === true);

function missingOf(
  action: RuleAction,
  { transition, message, conversation }: SeenEvent,
  personHash: Buffer | undefined,
): string | undefined {
  if (action.kind === 'suppress') return personHash === undefined ? 'person' : undefined;
  if (action.kind === 'tag' && action.target === 'message')
    return message === undefined ? 'message' : undefined;
  if (conversation === undefined) return 'conversation';
  return isAnswer(action) && answeredSignalOf(transition.event.attributes.signal) === undefined
    ? 'opt-out or HELP to answer'
    : undefined;
}
