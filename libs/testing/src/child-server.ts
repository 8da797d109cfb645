import { type ChildProcess, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;

/** A server process this program started. */
export interface ChildServer {
  readonly port: number;
  readonly pid: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

/** One step of ending a process: a signal, and how long to wait after it. */
export interface StopStep {
  readonly signal: NodeJS.Signals;
  readonly waitMs: number;
}

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', done);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((done) => server.close(() => done()));
  return port;
}

/** Resolves when the child is gone. */
export const exitOf = (child: ChildProcess): Promise<void> =>
  new Promise((done) => {
    child.once('exit', () => done());
    child.once('error', () => done());
  });

/** Ends a process this program started, by one signal after the other. */
export async function stopChild(
  child: ChildProcess,
  exited: Promise<void>,
  steps: readonly StopStep[],
): Promise<void> {
  for (const { signal, waitMs } of steps) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    const timer = new AbortController();
    await Promise.race([
      exited,
      delay(waitMs, undefined, { signal: timer.signal, ref: false }).catch(() => undefined),
    ]);
    timer.abort();
  }
}

/**
 * Ends a process an earlier run left behind.
 * @param mark text its command line must have: a PID alone may belong to somebody else by now.
 * @returns false when that PID is somebody else's.
 * @throws Error when the run that started it is still there.
 */
export async function stopLeftover(pid: number, mark: string, steps: readonly StopStep[]): Promise<boolean> {
  if (!(await commandOf(pid)).includes(mark)) return false;
  const launcher = await launcherOf(pid);
  if (launcher !== undefined && launcher !== process.pid)
    throw new Error(
      `${mark} is in use: its server (process ${pid}) belongs to process ${launcher}, which still runs. Stop that one first, or take another folder.`,
    );
  await stopProcess(pid, steps);
  return true;
}

/** Ends a process that is no child of this program, by one signal after the other. */
export async function stopProcess(pid: number, steps: readonly StopStep[]): Promise<void> {
  for (const { signal, waitMs } of steps) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
      throw error;
    }
    for (let waited = 0; waited < waitMs; waited += POLL_MS) {
      // Nobody may collect an orphan that has ended, as in a container without init: it has no command any more.
      if (!isAlive(pid) || (await commandOf(pid)) === '') return;
      await delay(POLL_MS);
    }
  }
}

/** Whether there is a process of that number. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * The program that started a server and still runs. The parent of an orphan is init or whoever else collects orphans,
 * such as the user's systemd: no Node program.
 */
async function launcherOf(pid: number): Promise<number | undefined> {
  const parent = Number(await parentOf(pid));
  if (!Number.isInteger(parent) || parent <= 0) return undefined;
  const [program = ''] = (await commandOf(parent)).split(' ');
  return basename(program).startsWith('node') ? parent : undefined;
}

async function parentOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return ps(pid, 'ppid=');
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return /^PPid:\s+(\d+)$/m.exec(status)?.[1];
}

async function commandOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') return ps(pid, 'command=');
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
}

function ps(pid: number, column: string): string {
  const { status, stdout } = spawnSync('ps', ['-p', String(pid), '-o', column], { encoding: 'utf8' });
  return status === 0 ? stdout : '';
}
