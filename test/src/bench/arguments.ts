import { ArgumentError } from '../house/run-program.js';

/** How long and how often everything is measured. */
export interface BenchPlan {
  readonly seed: number;
  readonly blocks: number;
  readonly prefillRows: number;
  readonly warmUpMs: number;
  readonly burstMs: number;
  readonly cellMs: number;
  readonly dispatchEvents: number;
  /** Empty: every cell. */
  readonly only: readonly string[];
  readonly isKept: boolean;
}

const FULL = {
  blocks: 3,
  prefillRows: 1_000_000,
  warmUpMs: 5_000,
  burstMs: 30_000,
  cellMs: 20_000,
  dispatchEvents: 30_000,
};
const QUICK = {
  blocks: 1,
  prefillRows: 100_000,
  warmUpMs: 1_500,
  burstMs: 6_000,
  cellMs: 6_000,
  dispatchEvents: 8_000,
};
const USAGE =
  'usage: npm run bench -- [--quick] [--blocks N] [--burst-seconds N] [--prefill N] [--seed N] [--only cell,cell] [--keep]';

/** @throws ArgumentError with the usage line. */
export function parseBenchArguments(args: readonly string[], cells: readonly string[]): BenchPlan {
  const rest = args.filter((argument) => argument !== '--quick');
  let plan: BenchPlan = {
    ...(rest.length < args.length ? QUICK : FULL),
    seed: Math.floor(Math.random() * 1e9),
    only: [],
    isKept: false,
  };
  const number = (name: string): number => {
    const value = Number(rest.shift());
    if (!Number.isSafeInteger(value) || value < 0)
      throw new ArgumentError(`${name} takes a number\n${USAGE}`);
    return value;
  };
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--blocks') plan = { ...plan, blocks: number(argument) };
    else if (argument === '--burst-seconds') plan = { ...plan, burstMs: number(argument) * 1000 };
    else if (argument === '--prefill') plan = { ...plan, prefillRows: number(argument) };
    else if (argument === '--seed') plan = { ...plan, seed: number(argument) };
    else if (argument === '--keep') plan = { ...plan, isKept: true };
    else if (argument === '--only') plan = { ...plan, only: (rest.shift() ?? '').split(',') };
    else throw new ArgumentError(`unknown argument ${argument}\n${USAGE}`);
  }
  const unknown = plan.only.filter((cell) => !cells.includes(cell));
  if (unknown.length > 0)
    throw new ArgumentError(`there is no cell ${unknown.join(', ')}; there are ${cells.join(', ')}`);
  return plan;
}
