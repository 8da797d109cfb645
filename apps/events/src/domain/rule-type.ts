import type { CelNode } from './rule-cost.js';
import { RULE_FACT_FIELDS } from './rule-facts.js';

/** What can be told of a value before there is one. */
type Kind = 'boolean' | 'other' | 'unknown';

const BOOLEAN_CALL = /^(_(==|!=|<|<=|>|>=)_|@in|contains|startsWith|endsWith|matches|bool)$/;
const LOGICAL_CALL = /^(_&&_|_\|\|_|!_)$/;
/** Arithmetic, conversions, what is asked of times and texts. */
const OTHER_CALL =
  /^(_[-+*/%]_|-_|size|int|uint|double|string|bytes|timestamp|duration|type|get[A-Z]\w*|charAt|indexOf|lastIndexOf|lowerAscii|upperAscii|substring|trim)$/;

/**
 * Whether an expression cannot be true or false, whatever the event: as a condition it would be an error at every one.
 * Why not the library's checker: it does not give it out.
 * @returns false for what can only be told when it is evaluated, such as an element of a list.
 */
export const cannotBeCondition = (expr: CelNode | undefined): boolean => kindOf(expr) === 'other';

function kindOf(expr: CelNode | undefined): Kind {
  const { exprKind } = expr ?? {};
  switch (exprKind?.case) {
    case 'constExpr':
      return exprKind.value.constantKind.case === 'boolValue' ? 'boolean' : 'other';
    case 'identExpr':
      return Object.hasOwn(RULE_FACT_FIELDS, exprKind.value.name) ? 'other' : 'unknown';
    case 'selectExpr':
      return exprKind.value.testOnly ? 'boolean' : fieldKindOf(exprKind.value.operand, exprKind.value.field);
    case 'callExpr':
      return callKindOf(exprKind.value.function, exprKind.value.args.map(kindOf));
    case 'listExpr':
    case 'structExpr':
      return 'other';
    case 'comprehensionExpr': {
      const { accuInit, accuVar, result } = exprKind.value;
      const isGathered = result?.exprKind.case === 'identExpr' && result.exprKind.value.name === accuVar;
      return kindOf(isGathered ? accuInit : result);
    }
    default:
      return 'unknown';
  }
}

/** Of a fact: those that are named as statements are true or false, all others texts, numbers or lists. */
function fieldKindOf(operand: CelNode | undefined, field: string): Kind {
  const isFact =
    operand?.exprKind.case === 'identExpr' && Object.hasOwn(RULE_FACT_FIELDS, operand.exprKind.value.name);
  if (!isFact) return 'unknown';
  return /^is[A-Z]/.test(field) ? 'boolean' : 'other';
}

function callKindOf(name: string, args: readonly Kind[]): Kind {
  // A part that is no condition makes the whole an error, or was not needed.
  if (LOGICAL_CALL.test(name)) return args.includes('other') ? 'other' : 'boolean';
  if (BOOLEAN_CALL.test(name)) return 'boolean';
  if (OTHER_CALL.test(name)) return 'other';
  if (name !== '_?_:_') return 'unknown';
  const [, yes, no] = args;
  return yes === no ? yes! : 'unknown';
}
