import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ChildServer,
  exitOf,
  freePort,
  stopChild,
  stopLeftover,
  type StopStep,
} from './child-server.js';
import {
  endingWithParent,
  findPostgres,
  isOwnFolder,
  isReachableByAll,
  launchEnvironment,
  type PostgresLaunch,
} from './postgres-binaries.js';

const USER = 'postgres';
const START_TIMEOUT_MS = 120_000;
const READY_POLL_MS = 20;
const STARTS_MAX = 20;
const RESTART_DELAY_MS = 250;
const LOG_BYTES_MAX = 10 * 1024 * 1024;
const STATUS_LINE = 7;
/** Fast shutdown, then immediate shutdown, then the end. */
const STOP: readonly StopStep[] = [
  { signal: 'SIGINT', waitMs: 20_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

/** Durable like a production server; sized for a machine that also runs everything else. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  wal_compression: 'off',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  // Segments are used again, not removed: to make one takes a commit 60 to 100 ms.
  min_wal_size: '1GB',
  checkpoint_completion_target: '0.9',
  jit: 'off',
  autovacuum_vacuum_scale_factor: '0.02',
  autovacuum_analyze_scale_factor: '0.02',
  autovacuum_vacuum_insert_scale_factor: '0.2',
  autovacuum_naptime: '60s',
  password_encryption: 'scram-sha-256',
  log_timezone: 'UTC',
  timezone: 'UTC',
};

/** Where the data is and where to listen. */
export interface PostgresOptions {
  /** Made when it is not there. The password of the superuser is kept beside it, in `<dataDir>.password`. */
  readonly dataDir: string;
  /** A free one without it, or when it is 0. */
  readonly port?: number;
  /** More settings, such as `max_connections`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Stop it when this process is killed. Only where setpriv is there; a test run uses it. */
  readonly endsWithParent?: boolean;
  /** Folder with bin, lib and share; the one that npm installed without it. */
  readonly nativeDir?: string;
}

/** A running Postgres of our own. `url` is the superuser's, with its password, for the database `postgres`. */
export interface PostgresServer extends ChildServer {
  readonly url: string;
}

/**
 * Starts a Postgres from the binaries that npm installed, listening on 127.0.0.1 only.
 * A server of the same data folder that a killed run left behind is ended first.
 * @throws Error with the server's last words when it does not start.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const wanted = resolve(options.dataDir);
  await refuseForeign(wanted);
  await mkdir(dirname(wanted), { recursive: true });
  const ownerUid = existsSync(wanted) ? statSync(wanted).uid : undefined;
  const found = await findPostgres(ownerUid, options.nativeDir);
  const launch = options.endsWithParent === true ? endingWithParent(found) : found;
  const dataDir = launch.canReachPrivateFolders || isReachableByAll(wanted) ? wanted : await outside(wanted);
  const password = await ensurePassword(`${wanted}.password`);
  if (existsSync(join(dataDir, 'PG_VERSION'))) await endLeftover(dataDir);
  else await initialize(launch, dataDir, password);
  for (let start = 1; ; start++) {
    const port = options.port === undefined || options.port === 0 ? await freePort() : options.port;
    const { child, exited, logFrom } = await launchServer(launch, dataDir, port, options.settings ?? {});
    if (await isReady(child, dataDir)) {
      return {
        url: `postgresql://${USER}:${password}@127.0.0.1:${port}/postgres`,
        port,
        pid: child.pid!,
        exited,
        stop: () => stopChild(child, exited, STOP),
      };
    }
    await stopChild(child, exited, STOP.slice(1));
    const words = (await readFile(`${dataDir}.log`)).subarray(logFrom).toString();
    // Its backends outlive a killed postmaster for a moment; a free port may be taken before we have it.
    const isPassing = /pre-existing shared memory|could not bind|lock file .* already exists/.test(words);
    if (start === STARTS_MAX || !isPassing)
      throw new Error(`Postgres did not start in ${dataDir}:\n${words}`);
    await delay(RESTART_DELAY_MS);
  }
}

async function launchServer(
  launch: PostgresLaunch,
  dataDir: string,
  port: number,
  more: Readonly<Record<string, string>>,
): Promise<{ child: ChildProcess; exited: Promise<void>; logFrom: number }> {
  const logFile = `${dataDir}.log`;
  if (existsSync(logFile) && statSync(logFile).size > LOG_BYTES_MAX) await rename(logFile, `${logFile}.1`);
  const logFrom = existsSync(logFile) ? statSync(logFile).size : 0;
  const settings = Object.entries({ ...SETTINGS, ...more, port: String(port) });
  const args = ['-D', dataDir, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const log = openSync(logFile, 'a', 0o600);
  try {
    // A group of its own: Ctrl-C at the terminal reaches only the program that stops everything in order. A
    // file, not a pipe: a pipe without reader would block the server once we are gone.
    const child = run(launch, 'postgres', args, { stdio: ['ignore', log, log], detached: true });
    return { child, exited: exitOf(child), logFrom };
  } finally {
    closeSync(log);
  }
}

function run(
  launch: PostgresLaunch,
  program: string,
  args: readonly string[],
  options: { stdio: ('ignore' | 'pipe' | number)[]; detached?: boolean },
): ChildProcess {
  const [command, ...rest] = [...launch.prefix, join(launch.binDir, program), ...args];
  return spawn(command!, rest, {
    ...options,
    ...launch.spawnAs,
    cwd: '/',
    env: launchEnvironment(),
  });
}

async function isReady(child: ChildProcess, dataDir: string): Promise<boolean> {
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += READY_POLL_MS) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return false;
    const lines = await pidFile(dataDir);
    if (lines[0] === String(child.pid) && lines[STATUS_LINE]?.trim() === 'ready') return true;
    await delay(READY_POLL_MS);
  }
  return false;
}

/** The lines of postmaster.pid. Source: src/include/utils/pidfile.h, read 2026-11. */
async function pidFile(dataDir: string): Promise<string[]> {
  try {
    return (await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).split('\n');
  } catch {
    return [];
  }
}

async function endLeftover(dataDir: string): Promise<void> {
  const pid = Number((await pidFile(dataDir))[0]);
  if (!Number.isInteger(pid) || pid <= 1) return;
  const wasOurs = await stopLeftover(pid, dataDir, STOP);
  // The number belongs to another program now; Postgres would take it for a running server.
  if (!wasOurs) await rm(join(dataDir, 'postmaster.pid'), { force: true });
}

async function refuseForeign(dataDir: string): Promise<void> {
  const files = await readdir(dataDir).catch((): string[] => []);
  if (files.length > 0 && !files.includes('PG_VERSION'))
    throw new Error(`${dataDir} is not empty and holds no database`);
}

/** Under another name first: a folder that has the right name is complete. */
async function initialize(launch: PostgresLaunch, dataDir: string, password: string): Promise<void> {
  const draft = `${dataDir}.new`;
  const secrets = await mkdtemp(join(tmpdir(), 'posthorn-initdb-'));
  const passwordFile = join(secrets, 'password');
  try {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true, mode: 0o700 });
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (launch.owner !== undefined) {
      const { uid, gid } = launch.owner;
      for (const path of [draft, secrets, passwordFile]) await chown(path, uid, gid);
    }
    const auth = ['--auth-local=scram-sha-256', '--auth-host=scram-sha-256', `--pwfile=${passwordFile}`];
    const child = run(
      launch,
      'initdb',
      ['-D', draft, '-U', USER, '--encoding=UTF8', '--locale=C', '--no-instructions', ...auth],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let words = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (words += chunk.toString()));
    child.on('error', (error) => (words += error.message));
    await exitOf(child);
    if (child.exitCode !== 0) throw new Error(`initdb failed for ${dataDir}:\n${words}`);
    await rename(draft, dataDir); // replaces an empty folder only
  } finally {
    await rm(secrets, { recursive: true, force: true });
  }
}

async function ensurePassword(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const password = randomBytes(24).toString('base64url');
    await writeFile(path, `${password}\n`, { mode: 0o600 });
    await chmod(path, 0o600);
    return password;
  }
}

/** Where the data goes when its user cannot reach the folder that was asked for. Kept over a restart of the machine. */
async function outside(dataDir: string): Promise<string> {
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  const folder = join(existsSync('/var/tmp') ? '/var/tmp' : tmpdir(), `posthorn-${hash}`);
  await mkdir(folder, { mode: 0o711 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if (!isOwnFolder(folder)) throw new Error(`${folder} belongs to somebody else: remove it`);
  return join(folder, basename(dataDir));
}
