import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@posthorn/testing/child-server.js';
import { freePortOffset } from '../src/house/free-offset.js';
import { ROOT, RunningPlatform } from '../src/house/running-platform.js';
import { waitFor } from '../src/wire/time.js';

const START_MS = 240_000;
/** Far under the time after which a server that does not end is killed. */
const TAKE_OVER_MS = 60_000;
const MAIN = join(ROOT, 'deploy/local/dist/main.js');
const FILES = ['pids.json', 'local.json'];
let platform: RunningPlatform;
let offset: number;

beforeAll(async () => {
  offset = await freePortOffset();
  platform = await RunningPlatform.start({ portOffset: offset });
}, START_MS);

afterAll(async () => {
  await platform?.stop();
  await platform?.removeData();
}, START_MS);

const filesOf = (dir: string): Promise<string[]> =>
  Promise.all(FILES.map((file) => readFile(join(dir, file), 'utf8')));

/** `npm start`, to its end. */
async function startAgain(portOffset: number): Promise<{ code: number | null; printed: string }> {
  const args = [MAIN, '--no-demo', '--data', platform.dataDir, '--port-offset', String(portOffset)];
  const env = { ...process.env, DATABASE_URL: '', NATS_URL: '' };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, env, encoding: 'utf8' });
  return { code: status, printed: stdout + stderr };
}

test(
  'a second start in the same folder is refused and touches nothing',
  async () => {
    const before = await filesOf(platform.dataDir);
    const refused = await startAgain(await freePortOffset());
    expect(refused).toMatchObject({
      code: 1,
      printed: expect.stringMatching(/already runs in this data folder/),
    });
    expect(await filesOf(platform.dataDir)).toEqual(before);
    expect(await startAgain(await freePortOffset())).toEqual(refused);
  },
  START_MS,
);

test(
  'servers of a platform that runs are not ended when its folder does not say any more who runs',
  async () => {
    const { pids } = platform.local;
    await rm(join(platform.dataDir, 'pids.json'));
    const { code, printed } = await startAgain(await freePortOffset());
    expect(code).toBe(1);
    expect(printed).toContain(`belongs to process ${pids['platform']}, which still runs`);
    expect(Object.values(pids).filter((pid) => !isAlive(pid))).toEqual([]);
  },
  START_MS,
);

test(
  'after the launcher was killed the next start ends what it left, clients first, and Postgres shuts down in order',
  async () => {
    await platform.stop();
    const { dataDir } = platform;
    platform = await RunningPlatform.start({ portOffset: offset, dataDir });
    const { pids } = platform.local;
    process.kill(pids['platform']!, 'SIGKILL');
    const startedAt = performance.now();
    platform = await RunningPlatform.start({ portOffset: offset, dataDir });
    expect(performance.now() - startedAt).toBeLessThan(TAKE_OVER_MS);
    expect(Object.values(pids).filter(isAlive)).toEqual([]);
    expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).not.toMatch(
      /not properly shut down|was interrupted/,
    );
  },
  START_MS,
);

test(
  'a start that is stopped half way leaves no process, and no password in a folder for temporary files',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'posthorn-halfway-'));
    const [dataDir, temporary] = [join(dir, 'data'), dir];
    const args = [MAIN, '--no-demo', '--data', dataDir, '--port-offset', String(await freePortOffset())];
    const env = { ...process.env, DATABASE_URL: '', NATS_URL: '', TMPDIR: temporary };
    const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: 'ignore' });
    const exited = new Promise<number | null>((done) => child.once('exit', done));
    try {
      await waitFor('initdb runs', () => existsSync(join(dataDir, 'postgres.new')) || undefined, {
        timeoutMs: 60_000,
      });
      child.kill('SIGINT');
      expect(await exited).toBe(0);
      expect((await readdir(temporary)).filter((name) => name.startsWith('posthorn-initdb-'))).toEqual([]);
      const { stdout } = spawnSync('ps', ['-eo', 'args='], { encoding: 'utf8' });
      expect(stdout.split('\n').filter((line) => line.includes(dataDir))).toEqual([]);
      for (const file of FILES) expect(existsSync(join(dataDir, file))).toBe(false);
    } finally {
      child.kill('SIGKILL');
      await rm(dir, { recursive: true, force: true });
    }
  },
  START_MS,
);
