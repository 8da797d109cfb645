import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

/** Stops the shared platform, if a file started it. Jest calls it after failed runs as well. */
export default async function tearDown(): Promise<void> {
  const dir = process.env['POSTHORN_TEST_SHARED_PLATFORM'];
  if (dir === undefined) return;
  const pids = await readFile(join(dir, 'data', 'pids.json'), 'utf8').catch(() => '{}');
  const { platform: pid } = JSON.parse(pids) as { readonly platform?: number };
  if (pid !== undefined && signal(pid, 'SIGTERM')) {
    const endMs = performance.now() + STOP_TIMEOUT_MS;
    while (signal(pid, 0)) {
      if (performance.now() > endMs) signal(pid, 'SIGKILL');
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }
  await rm(dir, { recursive: true, force: true });
}

/** @returns whether there is such a process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
