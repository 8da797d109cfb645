import type { parse } from '@bufbuild/cel';

type ParsedExpr = ReturnType<typeof parse>;
export type CelNode = ParsedExpr['expr'];
type Call = Extract<CelNode['exprKind'], { case: 'callExpr' }>['value'];
type Comprehension = Extract<CelNode['exprKind'], { case: 'comprehensionExpr' }>['value'];

/** About a microsecond each. */
const NODE_COST = 2;
/** Texts become times, and a time zone is looked up at every call. Measured 2026-11: 15–25 µs, 370 µs. */
const TIME_COST = 30;
const ZONE_COST = 400;
/** The pattern is compiled at every call. Measured 2026-11: 260 µs. */
const MATCH_COST = 400;
/** Characters that cost as much as a node. */
const CHARACTERS_PER_COST = 32;
/** The longest text, or list, that an input has. */
const INPUT_SIZE = 256;
/** A number or a time as text. */
const SCALAR_SIZE = 64;
const DEPTH_MAX = 48;

/** Upper bounds: of the time it takes, and of the characters and elements in its value. */
interface Bound {
  readonly cost: number;
  readonly size: number;
}
type Scope = ReadonlyMap<string, number>;

const TIME_FUNCTION = /^(timestamp|duration)$/;
const TIME_METHOD = /^get[A-Z]/;

/**
 * The most that one evaluation can cost, whatever the inputs are.
 * Why static: a step counter inside the evaluator would be a fork of it, and a time limit would judge the same
 * event differently on a busy machine.
 * @throws RangeError for what is nested too deeply.
 */
export const costOf = (expr: CelNode): number => bound(expr, new Map(), 0).cost;

function bound(expr: CelNode | undefined, scope: Scope, depth: number): Bound {
  if (depth > DEPTH_MAX) throw new RangeError('it is nested too deeply');
  const of = (child: CelNode | undefined): Bound => bound(child, scope, depth + 1);
  switch (expr?.exprKind.case) {
    case 'constExpr': {
      const { value } = expr.exprKind.value.constantKind;
      const isLong = typeof value === 'string' || value instanceof Uint8Array;
      return { cost: NODE_COST, size: isLong ? value.length : 1 };
    }
    case 'identExpr':
      return { cost: NODE_COST, size: scope.get(expr.exprKind.value.name) ?? INPUT_SIZE };
    case 'selectExpr':
      return add([of(expr.exprKind.value.operand)]);
    case 'callExpr':
      return call(expr.exprKind.value, of);
    case 'listExpr':
      return add(expr.exprKind.value.elements.map(of), expr.exprKind.value.elements.length);
    case 'structExpr': {
      const parts = expr.exprKind.value.entries.flatMap(({ keyKind, value }) => [
        of(keyKind.case === 'mapKey' ? keyKind.value : undefined),
        of(value),
      ]);
      return add(parts, parts.length);
    }
    case 'comprehensionExpr':
      return comprehension(expr.exprKind.value, scope, depth);
    default:
      return { cost: NODE_COST, size: 1 };
  }
}

function add(parts: readonly Bound[], ownSize = 0): Bound {
  let [cost, size] = [NODE_COST, ownSize];
  for (const part of parts) {
    cost += part.cost;
    size += part.size;
  }
  return { cost, size };
}

function call(expr: Call, of: (child: CelNode) => Bound): Bound {
  const parts = [...(expr.target === undefined ? [] : [expr.target]), ...expr.args].map(of);
  const { cost, size } = add(parts);
  const name = expr.function;
  const isZoned = TIME_METHOD.test(name) && expr.args.length > 0;
  const special =
    name === 'matches'
      ? MATCH_COST
      : isZoned
        ? ZONE_COST
        : TIME_FUNCTION.test(name) || TIME_METHOD.test(name)
          ? TIME_COST
          : 0;
  return { cost: cost + special + size / CHARACTERS_PER_COST, size: size + SCALAR_SIZE };
}

/** One turn for each element; what grows turn by turn (`map`, `filter`) is copied at each. */
function comprehension(expr: Comprehension, scope: Scope, depth: number): Bound {
  const of = (child: CelNode | undefined, inner: Scope): Bound => bound(child, inner, depth + 1);
  const range = of(expr.iterRange, scope);
  const turns = Math.max(1, range.size);
  const inner = new Map([...scope, [expr.iterVar, range.size], [expr.iterVar2, range.size]] as const);
  const init = of(expr.accuInit, inner);
  inner.set(expr.accuVar, init.size);
  const step = of(expr.loopStep, inner);
  const condition = of(expr.loopCondition, inner);
  const size = init.size + turns * step.size;
  inner.set(expr.accuVar, size);
  const result = of(expr.result, inner);
  const isGrowing = init.size !== 1;
  const copies = isGrowing ? (turns * turns) / CHARACTERS_PER_COST : 0;
  return {
    cost: range.cost + init.cost + turns * (step.cost + condition.cost) + copies + result.cost,
    size: isGrowing ? Math.max(size, result.size) : result.size,
  };
}
