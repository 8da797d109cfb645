import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import type pg from 'pg';

const SETTINGS = [
  ...[
    'server_version',
    'fsync',
    'full_page_writes',
    'synchronous_commit',
    'wal_sync_method',
    'wal_compression',
  ],
  ...['shared_buffers', 'min_wal_size', 'max_wal_size', 'commit_delay', 'autovacuum'],
];
const MUST_BE_ON = ['fsync', 'full_page_writes', 'synchronous_commit'];

/** What the figures were measured on. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly kernel: string;
  readonly memoryBytes: number;
  readonly node: string;
  readonly load1: number;
  readonly commit: string;
  readonly isClean: boolean;
}

export function describeMachine(root: string): Machine {
  const git = (...args: string[]): string =>
    spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    kernel: release(),
    memoryBytes: totalmem(),
    node: process.version,
    load1: loadavg()[0]!,
    commit: git('rev-parse', '--short', 'HEAD'),
    isClean: git('status', '--porcelain') === '',
  };
}

/** Postgres' settings. @throws Error when the database would lose what it acknowledged: such figures are worth nothing. */
export async function durableSettings(db: pg.ClientBase): Promise<Record<string, string>> {
  const { rows } = await db.query<{ name: string; setting: string }>(
    'SELECT name, current_setting(name) AS setting FROM pg_settings WHERE name = ANY($1)',
    [SETTINGS],
  );
  const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  const off = MUST_BE_ON.filter((name) => settings[name] === 'off' || settings[name] === 'local');
  if (off.length > 0)
    throw new Error(`refused: Postgres runs with ${off.map((name) => `${name}=off`).join(', ')}`);
  return settings;
}

/** The share of CPU time that the hypervisor gave to others since the call before. */
export function stealShare(): () => number {
  const read = (): [number, number] => {
    try {
      const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).slice(1).map(Number);
      return [fields[7] ?? 0, fields.slice(0, 8).reduce((a, b) => a + b, 0)];
    } catch {
      return [0, 1];
    }
  };
  let [steal, total] = read();
  return () => {
    const [nowSteal, nowTotal] = read();
    const share = (nowSteal - steal) / Math.max(1, nowTotal - total);
    [steal, total] = [nowSteal, nowTotal];
    return share;
  };
}
