import { celEnv, isCelError, isCelUint, parse, plan, type CelInput } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import { costOf, type CelNode } from './rule-cost.js';
import { RULE_FACT_FIELDS, type RuleFacts } from './rule-facts.js';
import { cannotBeCondition } from './rule-type.js';

/** Why a text is no expression that a rule can have. */
export class InvalidExpression extends Error {}

/** A compiled expression. */
export interface RuleExpression {
  /** Microseconds, about; the most that one evaluation takes. */
  readonly cost: number;
  /** Whether it cannot be true or false, whatever the facts are. */
  readonly isNoCondition: boolean;
  /** Whether it looks at `event.authentic`. */
  readonly isAboutAuthenticity: boolean;
  /** Never throws: what fails is told as text. */
  evaluate(facts: RuleFacts): RuleValue;
}
export type RuleValue =
  | { readonly kind: 'value'; readonly value: boolean | string }
  | { readonly kind: 'error'; readonly detail: string };

export const EXPRESSION_LENGTH_MAX = 2_000;
export const EXPRESSION_COST_MAX = 1_000;
const PATTERN_LENGTH_MAX = 200;
const DETAIL_LENGTH_MAX = 200;
/** What makes a text longer by more than what is put in stays out: its cost could not be told beforehand. */
const STRING_FUNCTIONS: readonly string[] = [
  ...(['charAt', 'indexOf', 'lastIndexOf', 'lowerAscii', 'upperAscii', 'substring', 'trim'] as const),
];

const ENVIRONMENT = celEnv({ funcs: strings.filter(({ name }) => STRING_FUNCTIONS.includes(name)) });
const TRY_PATTERN = plan(ENVIRONMENT, parse('"".matches(pattern)'));

/**
 * Compiles CEL. Regular expressions are RE2: linear in the text that they meet.
 * @throws InvalidExpression for what cannot be parsed, names what there is not, or may cost more than allowed.
 */
export function compileExpression(text: string): RuleExpression {
  if (text.length > EXPRESSION_LENGTH_MAX)
    throw new InvalidExpression(`must have at most ${EXPRESSION_LENGTH_MAX} characters`);
  try {
    const { expr } = parse(text);
    const cost = costOf(expr);
    if (cost > EXPRESSION_COST_MAX)
      throw new InvalidExpression(`may cost ${Math.ceil(cost)}, and ${EXPRESSION_COST_MAX} is the most`);
    checkNames(expr, new Set());
    const run = plan(ENVIRONMENT, expr);
    return {
      cost,
      isNoCondition: cannotBeCondition(expr),
      isAboutAuthenticity: hasField(expr, 'event', 'authentic'),
      evaluate: (facts) => valueOf(run, facts),
    };
  } catch (error) {
    if (error instanceof InvalidExpression) throw error;
    throw new InvalidExpression(
      clip(error instanceof RangeError ? 'it is nested too deeply' : textOf(error)),
    );
  }
}

function valueOf(run: (facts: Record<string, CelInput>) => unknown, facts: RuleFacts): RuleValue {
  try {
    const value = run(facts as unknown as Record<string, CelInput>);
    if (isCelError(value)) return { kind: 'error', detail: clip(value.message) };
    if (typeof value === 'boolean' || typeof value === 'string') return { kind: 'value', value };
    if (typeof value === 'bigint' || typeof value === 'number') return { kind: 'value', value: `${value}` };
    if (isCelUint(value)) return { kind: 'value', value: `${value.value}` };
    return { kind: 'error', detail: 'its value is no text, number or boolean' };
  } catch (error) {
    return { kind: 'error', detail: clip(textOf(error)) };
  }
}

/** A wrong name would show at the first event only, and as an error at every one. */
function checkNames(expr: CelNode | undefined, variables: ReadonlySet<string>): void {
  const { exprKind } = expr ?? {};
  switch (exprKind?.case) {
    case 'identExpr':
      return checkRoot(exprKind.value.name, variables);
    case 'selectExpr':
      checkField(exprKind.value.operand, exprKind.value.field, variables);
      return checkNames(exprKind.value.operand, variables);
    case 'callExpr': {
      const { function: name, target, args } = exprKind.value;
      if (name === 'matches') checkPattern(args.at(-1));
      for (const part of [target, ...args]) checkNames(part, variables);
      return;
    }
    case 'listExpr':
      for (const part of exprKind.value.elements) checkNames(part, variables);
      return;
    case 'structExpr':
      if (exprKind.value.messageName !== '') throw new InvalidExpression('messages cannot be made here');
      for (const { keyKind, value } of exprKind.value.entries) {
        if (keyKind.case === 'mapKey') checkNames(keyKind.value, variables);
        checkNames(value, variables);
      }
      return;
    case 'comprehensionExpr': {
      const { iterRange, accuInit, loopCondition, loopStep, result, iterVar, accuVar } = exprKind.value;
      const inner = new Set([...variables, iterVar, accuVar]);
      checkNames(iterRange, variables);
      for (const part of [accuInit, loopCondition, loopStep, result]) checkNames(part, inner);
    }
  }
}

function checkRoot(name: string, variables: ReadonlySet<string>): void {
  if (!variables.has(name) && !Object.hasOwn(RULE_FACT_FIELDS, name))
    throw new InvalidExpression(
      `there is no ${clip(name)}; there are ${Object.keys(RULE_FACT_FIELDS).join(', ')}`,
    );
}

function checkField(operand: CelNode | undefined, field: string, variables: ReadonlySet<string>): void {
  if (operand?.exprKind.case !== 'identExpr') return;
  const { name } = operand.exprKind.value;
  if (variables.has(name) || !Object.hasOwn(RULE_FACT_FIELDS, name)) return;
  const fields: readonly string[] = RULE_FACT_FIELDS[name as keyof RuleFacts];
  if (!fields.includes(field))
    throw new InvalidExpression(`${name} has no ${clip(field)}; it has ${fields.join(', ')}`);
}

/** Whether a part of it is that field of that fact. */
function hasField(node: unknown, root: keyof RuleFacts, field: string): boolean {
  if (typeof node !== 'object' || node === null) return false;
  const { exprKind } = node as Partial<CelNode>;
  if (exprKind?.case === 'selectExpr' && exprKind.value.field === field) {
    const { operand } = exprKind.value;
    if (operand?.exprKind.case === 'identExpr' && operand.exprKind.value.name === root) return true;
  }
  return Object.values(node).some((part) => hasField(part, root, field));
}

/** Compiled anew at each evaluation, so what it costs must be known now. */
function checkPattern(expr: CelNode | undefined): void {
  const constant = expr?.exprKind.case === 'constExpr' ? expr.exprKind.value.constantKind : undefined;
  if (constant?.case !== 'stringValue') throw new InvalidExpression('a pattern must be written out');
  const pattern = constant.value;
  if (pattern.length > PATTERN_LENGTH_MAX)
    throw new InvalidExpression(`a pattern must have at most ${PATTERN_LENGTH_MAX} characters`);
  if (/\{\d/.test(pattern)) throw new InvalidExpression('a pattern must not count repetitions');
  const tried = TRY_PATTERN({ pattern });
  if (isCelError(tried)) throw new InvalidExpression(clip(tried.message));
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const clip = (text: string): string => text.slice(0, DETAIL_LENGTH_MAX);
