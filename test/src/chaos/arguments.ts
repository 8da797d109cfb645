import { ArgumentError } from '../house/run-program.js';

/** What the command line of the fault runs says. */
export interface ChaosArguments {
  readonly isLong: boolean;
  readonly seed: number;
  /** Empty: all. */
  readonly only: readonly string[];
  readonly isKept: boolean;
  /** Of STOP against queued sends, all faults together. */
  readonly races: number;
  /** Where rounds of races are written down, and gone on with: a million take longer than a machine may be free. */
  readonly journal: string | undefined;
}

const RACES = { short: 1_000, long: 1_000_000 };
const USAGE =
  'usage: npm run chaos -- [--long] [--seed N] [--only F1,C4] [--races N] [--journal FILE] [--keep]';

/** @throws ArgumentError with the usage line. */
export function parseChaosArguments(args: readonly string[], faults: readonly string[]): ChaosArguments {
  const parsed = {
    isLong: false,
    seed: Math.floor(Math.random() * 1e9),
    only: [] as string[],
    isKept: false,
    races: Number.NaN,
    journal: undefined as string | undefined,
  };
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--long') parsed.isLong = true;
    else if (argument === '--keep') parsed.isKept = true;
    else if (argument === '--seed') parsed.seed = Number(rest.shift());
    else if (argument === '--races') parsed.races = Number(rest.shift());
    else if (argument === '--journal') parsed.journal = rest.shift();
    else if (argument === '--only') parsed.only.push(...(rest.shift() ?? '').toUpperCase().split(','));
    else throw new ArgumentError(`unknown argument ${argument}\n${USAGE}`);
  }
  const unknown = parsed.only.filter((id) => !faults.includes(id));
  if (unknown.length > 0)
    throw new ArgumentError(`there is no fault ${unknown.join(', ')}; there are ${faults.join(', ')}`);
  if (!Number.isSafeInteger(parsed.seed) || parsed.seed < 0)
    throw new ArgumentError(`--seed takes a number\n${USAGE}`);
  if (Number.isNaN(parsed.races)) parsed.races = parsed.isLong ? RACES.long : RACES.short;
  if (!Number.isSafeInteger(parsed.races) || parsed.races < 0)
    throw new ArgumentError(`--races takes a number\n${USAGE}`);
  return parsed;
}
