// Runs one size of tests: node tools/jest.mjs small|medium|system [jest arguments].
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const [size, ...rest] = process.argv.slice(2);
const jest = join(dirname(createRequire(import.meta.url).resolve('jest/package.json')), 'bin/jest.js');
const args = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  jest,
  `--selectProjects=${size}`,
  // One process: servers are shared, and a worker that fails with a BigInt in its message never reports.
  '--runInBand',
  ...rest,
];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
process.exit(status ?? 1);
