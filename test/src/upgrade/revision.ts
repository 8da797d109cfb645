import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const PREPARE = `const { prepare } = await import(process.argv[1]); prepare(process.argv[2]);`;

/** An older version, ready to run. */
export interface Revision {
  readonly root: string;
  /** For people: hash and subject. */
  readonly name: string;
}

/**
 * Brings a revision of a repository into a folder, with dependencies and build of its own: links of a workspace point into
 * their own tree, so nothing can be shared. The repository itself is only read.
 * @param from a revision, or the folder of a clone, which is then used where it is.
 * @throws Error when there is no such revision, or its own preparation fails.
 */
export function prepareRevision(repository: string, from: string, folder: string): Revision {
  const isFolder = existsSync(join(from, 'package.json'));
  const root = isFolder ? resolve(from) : folder;
  if (!isFolder) {
    const commit = git(repository, 'rev-parse', '--verify', '--quiet', `${from}^{commit}`);
    git(repository, 'clone', '--quiet', '--no-checkout', repository, folder);
    git(folder, 'checkout', '--quiet', '--detach', commit);
  }
  const prepare = pathToFileURL(join(root, 'tools/prepare.mjs')).href;
  const args = ['--input-type=module', '--eval', PREPARE, prepare, root];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${from} cannot be prepared in ${root}: see above`);
  return { root, name: nameOf(root) };
}

/** @returns hash and subject of what is checked out there. */
export const nameOf = (root: string): string => git(root, 'log', '-1', '--format=%h %s');

function git(cwd: string, ...args: string[]): string {
  try {
    return execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`git ${args.join(' ')}: ${stderr?.trim() || 'failed'}`, { cause: error });
  }
}
