import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100; // USER_HZ, fixed by the kernel's interface
const [PPID, UTIME, STIME, CUTIME, CSTIME] = [1, 11, 12, 13, 14];

function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces: fields start after the last one.
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** The live descendants of a process, children before grandchildren. */
export function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const child = Number(name);
    const parent = Number.isInteger(child) ? statOf(child)?.[PPID] : undefined;
    if (parent === undefined) continue;
    const siblings = parents.get(Number(parent));
    if (siblings === undefined) parents.set(Number(parent), [child]);
    else siblings.push(child);
  }
  const found: number[] = [];
  for (let queue = [pid]; queue.length > 0;) {
    const children = queue.flatMap((each) => parents.get(each) ?? []);
    found.push(...children);
    queue = children;
  }
  return found;
}

/** CPU seconds, user and system, of a process, its descendants, and those of them that have ended. */
export function cpuSecondsOf(pid: number): number {
  return [pid, ...descendantsOf(pid)]
    .map((each) => statOf(each))
    .reduce((sum, stat) => {
      if (stat === undefined) return sum;
      const ticks = [UTIME, STIME, CUTIME, CSTIME].map((field) => Number(stat[field]));
      return sum + ticks.reduce((a, b) => a + b, 0) / TICKS_PER_SECOND;
    }, 0);
}

/** Ends a process at once, if it is there. Only ever given PIDs of the platform under test. */
export function killHard(pid: number | undefined): boolean {
  if (pid === undefined || pid <= 1) return false;
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
