import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const INSTALL_TIMEOUT_MS = 300_000;
const MORE_FOLDERS: readonly string[] = [
  '/usr/sbin',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
];

/** A program of the machine, and what brings it. */
export interface InstalledProgram {
  readonly program: string;
  /** Its package, named alike by apt and by Homebrew. */
  readonly package: string;
  /** A page that tells how to install it elsewhere. */
  readonly page: string;
}

/**
 * The path of a program that somebody else installs. Where apt is there and may be used, it is installed.
 * @throws Error that names the command to install it.
 */
export function findProgram(wanted: InstalledProgram): string {
  const found = search(wanted.program);
  if (found !== undefined) return found;
  const isDebian = process.platform === 'linux' && existsSync('/usr/bin/apt-get');
  if (isDebian && process.getuid?.() === 0) {
    const apt = ['-qq', '-o', 'DPkg::Lock::Timeout=120'];
    const options = {
      stdio: 'ignore',
      timeout: INSTALL_TIMEOUT_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    } as const;
    spawnSync('apt-get', [...apt, 'update'], options);
    const install = ['install', '--yes', '--no-install-recommends', wanted.package];
    spawnSync('apt-get', [...apt, ...install], options);
    const installed = search(wanted.program);
    if (installed !== undefined) return installed;
  }
  const how =
    process.platform === 'darwin'
      ? `brew install ${wanted.package}`
      : isDebian
        ? `sudo apt-get install ${wanted.package}`
        : `see ${wanted.page}`;
  throw new Error(`${wanted.program} is not installed (${how})`);
}

function search(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_FOLDERS];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
