import { readFile } from 'node:fs/promises';
import { stopProcess, type StopStep } from '@posthorn/testing/child-server.js';

/** In the direction of the events: what is stopped later still takes what those before it hand on. */
export const STOP_ORDER = ['ingress', 'api', 'dispatcher', 'compliance', 'events', 'tenants'] as const;
const KILL: StopStep = { signal: 'SIGKILL', waitMs: 5_000 };
const SERVICE_STOP: readonly StopStep[] = [{ signal: 'SIGTERM', waitMs: 15_000 }, KILL];
const NATS_STOP: readonly StopStep[] = [{ signal: 'SIGINT', waitMs: 10_000 }, KILL];
/** Fast shutdown, then immediate shutdown. SIGTERM would wait for every client, for ever. */
const POSTGRES_STOP: readonly StopStep[] = [
  { signal: 'SIGINT', waitMs: 20_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  KILL,
];

/** One process of an earlier run, and how to end it. */
export interface Leftover {
  readonly name: string;
  readonly pid: number;
  readonly steps: readonly StopStep[];
}

/** The parts of `pids.json` in the order in which to end them: clients before their servers. */
export function leftoversOf(pids: Readonly<Record<string, number>>): Leftover[] {
  return [...STOP_ORDER, 'nats', 'postgres'].flatMap((name) => {
    const pid = pids[name];
    const steps = name === 'nats' ? NATS_STOP : name === 'postgres' ? POSTGRES_STOP : SERVICE_STOP;
    return pid === undefined ? [] : [{ name, pid, steps }];
  });
}

/**
 * Ends what an earlier run left behind when it was killed itself.
 * @param places text that the command line of a process of ours has: a PID alone may have been reused.
 * @throws Error when that run is still there; nothing was touched then.
 */
export async function endLeftovers(
  pids: Readonly<Record<string, number>>,
  places: readonly string[],
  say: (line: string) => void,
): Promise<void> {
  const { platform } = pids;
  if (platform !== undefined && platform !== process.pid && (await isOurs(platform, places)))
    throw new Error(
      `Posthorn already runs in this data folder (process ${platform}); use --data DIR and --port-offset N for a second one.`,
    );
  for (const { name, pid, steps } of leftoversOf(pids)) {
    if (!(await isOurs(pid, places))) continue;
    say(`Ending ${name} (process ${pid}), left behind by an earlier run`);
    await stopProcess(pid, steps);
  }
}

async function isOurs(pid: number, places: readonly string[]): Promise<boolean> {
  try {
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
    return places.some((place) => command.includes(place));
  } catch {
    return false;
  }
}
