// Adds to package-lock.json the optional platform packages that a partial registry mirror did not list.
// Why: npm leaves such a package out of the lock file in silence, and then `npm ci` refuses the lock file.
import { readFile, writeFile } from 'node:fs/promises';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(await readFile(path, 'utf8'));
const { packages } = lock;
const PLATFORM =
  /-(?<os>darwin|linux|win32|android|freebsd|openharmony)-(?<cpu>[a-z0-9_]+)(?:-(?<abi>[a-z]+))?$/;
const CPU = { aarch64: 'arm64', armv7: 'arm' };
const added = [];

for (const [at, { optionalDependencies, dev }] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(optionalDependencies ?? {})) {
    const platform = PLATFORM.exec(name)?.groups;
    const isListed = packages[`${at}/node_modules/${name}`] ?? packages[`node_modules/${name}`];
    if (platform === undefined || isListed || !/^\d/.test(version)) continue;
    const entry = {
      version,
      cpu: [CPU[platform.cpu] ?? platform.cpu],
      ...(dev && { dev }),
      optional: true,
      os: [platform.os],
    };
    packages[`node_modules/${name}`] = entry;
    added.push(`${name}@${version}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length === 0 ? 'nothing is missing' : `added ${added.join(', ')}`);
