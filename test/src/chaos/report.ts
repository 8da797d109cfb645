import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Violation } from '../checker/evidence.js';
import { type FaultResult } from './fault-run.js';

const EXAMPLES_MAX = 3;

export const isClean = ({ verdict, problems }: FaultResult): boolean =>
  verdict.violations.length === 0 && problems.length === 0;

/** One line a fault. */
export function lineOf(result: FaultResult): string {
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
export function complaintsOf({ verdict, problems, strikes }: FaultResult): string[] {
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
  { fault, options, verdict, evidence }: FaultResult,
): Promise<string> {
  const folder = join(dataDir, `evidence-${fault.id}-${options.seed}`);
  await mkdir(folder, { recursive: true });
  const lines = (items: readonly unknown[]): string => items.map((item) => JSON.stringify(item)).join('\n');
  await writeFile(join(folder, 'sent.ndjson'), lines(evidence.sent));
  await writeFile(join(folder, 'receipts.ndjson'), lines(evidence.receipts));
  await writeFile(join(folder, 'violations.ndjson'), lines(verdict.violations));
  return folder;
}
