import { cpuSecondsOf } from '../house/processes.js';

/** What one measurement of one subject came to. */
export interface Cell {
  readonly subject: string;
  readonly block: number;
  /** The figures, by name: rates a second, `…Ms`, `…Micros`. */
  readonly figures: Readonly<Record<string, number>>;
  /** CPU microseconds an event, by process. */
  readonly cpuMicros: Readonly<Record<string, number>>;
  /** Why the figures should not be used; empty when they may. */
  readonly problems: readonly string[];
}

/** Watches the CPU time of processes. @returns what they used an event since. */
export function watchCpu(pids: Readonly<Record<string, number>>): (events: number) => Record<string, number> {
  const before = new Map(Object.entries(pids).map(([name, pid]) => [name, cpuSecondsOf(pid)]));
  return (events) =>
    Object.fromEntries(
      Object.entries(pids).map(([name, pid]) => {
        const seconds = cpuSecondsOf(pid) - before.get(name)!;
        return [name, round((seconds * 1e6) / Math.max(1, events))];
      }),
    );
}

export const round = (value: number): number => Math.round(value * 10) / 10;

/** Answers other than 2xx make a cell worthless. */
export const badAnswers = (statuses: Readonly<Record<number, number>>): string[] =>
  Object.entries(statuses)
    .filter(([status]) => !status.startsWith('2'))
    .map(([status, count]) => `${count} answers ${status === '0' ? 'missing' : status}`);
