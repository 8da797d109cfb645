import { spawn } from 'node:child_process';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningPlatform } from '../house/running-platform.js';
import { waitFor } from '../wire/time.js';
import { MIGRATED } from './phases.js';

const ROLL_TIMEOUT_MS = 120_000;
const FAILURE = /^Rolling failed: [^]*/m;

/** Says whose code each service is to run, before a start or a roll. @param roots service → root of a clone. */
export async function writeRoots(dataDir: string, roots: Readonly<Record<string, string>>): Promise<void> {
  const file = join(dataDir, 'roots.json');
  await writeFile(`${file}.new`, `${JSON.stringify(roots, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

/** Has one service run from another root from now on. @throws Error with what the platform says when it does not come up. */
export async function rollService(platform: RunningPlatform, service: string, root: string): Promise<void> {
  const { roots, pids } = platform.local;
  await writeRoots(platform.dataDir, { ...roots, [service]: root });
  process.kill(pids['platform']!, 'SIGUSR2');
  const isThere = (): true | undefined => {
    const failure = FAILURE.exec(platform.printed);
    if (failure !== null) throw new Error(failure[0]);
    return platform.local.roots[service] === root ? true : undefined;
  };
  await waitFor(`${service} runs from ${root}`, isThere, { timeoutMs: ROLL_TIMEOUT_MS });
}

/** Brings all schemas to what a version wants, whatever runs: what the chart's hook does before an upgrade. */
export async function migrateAll({ local, dataDir }: RunningPlatform, root: string): Promise<void> {
  const env = {
    ...process.env,
    DATABASE_ADMIN_URL: local.databaseUrl,
    DATABASE_PASSWORD_FILE: join(dataDir, 'secrets/database-password'),
  };
  for (const service of MIGRATED) {
    const child = spawn(process.execPath, [join(root, 'apps', service, 'dist/migrate.js')], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise<number | null>((done) => child.once('close', done));
    if (code !== 0) throw new Error(`the migrations of ${service} failed: ${output}`);
  }
}
