import { ArgumentError } from '../house/run-program.js';

/** What the command line of an upgrade says. */
export interface UpgradeArguments {
  /** A git revision of this repository, or the folder of a clone. */
  readonly from: string;
  readonly seed: number;
  readonly isShort: boolean;
  readonly isKept: boolean;
}

const USAGE = 'usage: npm run upgrade -- --from <git revision or folder> [--seed N] [--short] [--keep]';

/** @throws ArgumentError with the usage line. */
export function parseUpgradeArguments(args: readonly string[]): UpgradeArguments {
  const parsed = { from: '', seed: Math.floor(Math.random() * 1e9), isShort: false, isKept: false };
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--short') parsed.isShort = true;
    else if (argument === '--keep') parsed.isKept = true;
    else if (argument === '--from') parsed.from = rest.shift() ?? '';
    else if (argument === '--seed') parsed.seed = Number(rest.shift());
    else throw new ArgumentError(`unknown argument ${argument}\n${USAGE}`);
  }
  // A dash in front would be an option of git.
  if (parsed.from === '' || parsed.from.startsWith('-'))
    throw new ArgumentError(`--from takes a revision\n${USAGE}`);
  if (!Number.isSafeInteger(parsed.seed) || parsed.seed < 0)
    throw new ArgumentError(`--seed takes a number\n${USAGE}`);
  return parsed;
}
