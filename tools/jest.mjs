// Runs one size of tests: node tools/jest.mjs small|medium|system [jest arguments].
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from './prepare.mjs';

const [size, ...rest] = process.argv.slice(2);
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
// Small tests run the sources; the others also start built processes.
if (size !== 'small') prepare(root);
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
