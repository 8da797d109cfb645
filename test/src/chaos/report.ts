import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Violation } from '../checker/evidence.js';
import { type Fault } from './faults.js';
import { type LoadRun } from './load-run.js';

const EXAMPLES_MAX = 3;

/** What a run that is not clean has to say. */
export interface Complaint {
  readonly verdict: { readonly violations: readonly Violation[] };
  readonly problems: readonly string[];
  readonly strikes: readonly string[];
}

/** What the line of a fault, or of anything else that was done under load, says. */
export type LineOf = LoadRun & { readonly fault: Pick<Fault, 'id' | 'title'> };

export const isClean = ({ verdict, problems }: Pick<Complaint, 'verdict' | 'problems'>): boolean =>
  verdict.violations.length === 0 && problems.length === 0;

/** One line a fault. */
export function lineOf(result: LineOf): string {
  const { fault, verdict, healedMs, slowestAnswerMs } = result;
  const number = (value: number, width = 6): string => value.toLocaleString('en').padStart(width);
  return [
    `${isClean(result) ? 'ok  ' : 'FAIL'} ${fault.id.padEnd(3)} ${fault.title.padEnd(20)}`,
    `acked ${number(verdict.acked)}  stored ${number(verdict.stored)}  delivered ${number(verdict.delivered)}`,
    `lost ${verdict.lost}  doubled ${verdict.doubled}`,
    `(resent ${verdict.resent}, unknown ${verdict.unknown}, repeats ${verdict.repeats})`,
    `slowest answer ${(slowestAnswerMs / 1000).toFixed(1)} s  healed after ${(healedMs / 1000).toFixed(1)} s`,
  ].join('  ');
}

/** What went wrong, grouped, with a few examples each. */
export function complaintsOf({ verdict, problems, strikes }: Complaint): string[] {
  const groups = new Map<string, Violation[]>();
  for (const violation of verdict.violations) {
    const key = `${violation.invariant} ${violation.what}`;
    groups.set(key, [...(groups.get(key) ?? []), violation]);
  }
  return [
    ...problems,
    ...[...groups].map(([what, list]) => {
      const examples = list.slice(0, EXAMPLES_MAX).map(({ subject }) => subject);
      return `${what}: ${list.length} (${examples.join(', ')}${list.length > EXAMPLES_MAX ? ', …' : ''})`;
    }),
    ...strikes.map((strike) => `struck at ${strike}`),
  ].map((line) => `       ${line}`);
}

/** Everything needed to look into a failure: history, receipts, violations. @returns the folder. */
export async function keepEvidence(
  dataDir: string,
  { fault, options, verdict, evidence }: LineOf & { readonly options: { readonly seed: number } },
): Promise<string> {
  const { violations } = verdict;
  const { sent, receipts } = evidence;
  return writeLines(join(dataDir, `evidence-${fault.id}-${options.seed}`), { sent, receipts, violations });
}

/** One file a list, one line an item. @returns the folder. */
export async function writeLines(
  folder: string,
  lists: Readonly<Record<string, readonly unknown[]>>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [name, items] of Object.entries(lists)) {
    const lines = items.map((item) => JSON.stringify(item)).join('\n');
    await writeFile(join(folder, `${name}.ndjson`), lines);
  }
  return folder;
}
