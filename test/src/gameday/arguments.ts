import { ArgumentError } from '../house/run-program.js';

/** What the command line of a game day says. */
export interface GamedayArguments {
  /** In order. */
  readonly names: readonly string[];
  /** All at once, on different tenants and providers, instead of one after the other. */
  readonly isShort: boolean;
  readonly isKept: boolean;
}

const USAGE = 'usage: npm run gameday -- [NAME … | first-five | all] [--short] [--keep]';

/**
 * @param all names of every incident. @param firstFive those that can be rehearsed side by side.
 * @throws ArgumentError with the usage line.
 */
export function parseGamedayArguments(
  args: readonly string[],
  all: readonly string[],
  firstFive: readonly string[],
): GamedayArguments {
  const names: string[] = [];
  let [isShort, isKept] = [false, false];
  for (const argument of args) {
    if (argument === '--short') isShort = true;
    else if (argument === '--keep') isKept = true;
    else if (argument === 'all') names.push(...all);
    else if (argument === 'first-five') names.push(...firstFive);
    else if (all.includes(argument)) names.push(argument);
    else throw new ArgumentError(`there is no incident ${argument}; there are ${all.join(', ')}\n${USAGE}`);
  }
  const chosen = names.length === 0 ? all : [...new Set(names)];
  const others = chosen.filter((name) => !firstFive.includes(name));
  if (isShort && others.length > 0)
    throw new ArgumentError(
      `${others.join(', ')} would be in the way of the others: without --short\n${USAGE}`,
    );
  return { names: chosen, isShort, isKept };
}
