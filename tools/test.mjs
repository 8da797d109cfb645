// `npm test`: everything, from a fresh clone. Static checks, small, medium and system tests, then the short
// fault runs. The last line is `N passed, N failed`.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from './prepare.mjs';

/**
 * Parts of a size, and how many of them run side by side, each with servers of its own. Medium tests wait as much as
 * they work; system tests start whole platforms, and two of those are what two cores carry.
 */
const PLAN = { medium: { parts: 6, lanes: 3 }, system: { parts: 4, lanes: 2 } };

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const startedAt = performance.now();
prepare(root);

const scratch = mkdtempSync(join(tmpdir(), 'posthorn-test-'));
const totals = { passed: 0, failed: 0 };

/** Runs one command. What it prints comes out in one piece at its end. @returns whether it passed. */
function step(name, command, args, lane = 0) {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NX_TUI: 'false',
        POSTHORN_IS_PREPARED: 'true',
        POSTHORN_TEST_LANE: String(lane),
      },
    });
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
    const end = (hasPassed) => {
      const seconds = ((performance.now() - began) / 1000).toFixed(0);
      console.log(`\n── ${name}\n${Buffer.concat(output)}`);
      console.log(`── ${name}: ${hasPassed ? 'passed' : 'FAILED'} after ${seconds} s`);
      resolve(hasPassed);
    };
    child.once('error', (error) => (output.push(Buffer.from(String(error))), end(false)));
    child.once('close', (code) => end(code === 0));
  });
}

/** One check that passes or fails as a whole. */
async function check(name, script, args = []) {
  const hasPassed = await step(name, 'npm', ['run', '--silent', script, '--', ...args]);
  totals[hasPassed ? 'passed' : 'failed'] += 1;
}

/** One part of a size of tests: each test counts. A run that broke before its report counts as one failure. */
async function tests(size, { lane = 0, part = 1, parts = 1 } = {}) {
  const name = parts === 1 ? `${size} tests` : `${size} tests, part ${part} of ${parts}`;
  const report = join(scratch, `${size}-${part}.json`);
  const args = ['tools/jest.mjs', size, '--json', `--outputFile=${report}`, `--shard=${part}/${parts}`];
  const hasPassed = await step(name, process.execPath, args, lane);
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(
      readFileSync(report, 'utf8'),
    );
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    totals.passed += numPassedTests;
    totals.failed += failed === 0 && !hasPassed ? 1 : failed;
  } catch {
    totals.failed += 1;
  }
}

/** All parts of a size: a lane that is done takes the next one. */
async function inLanes(size) {
  const { parts, lanes } = PLAN[size];
  let next = 1;
  const run = async (lane) => {
    while (next <= parts) await tests(size, { lane, part: next++, parts });
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)));
}

async function staticChecks() {
  await check('generated code is what proto/ says', 'gen:check');
  await check('lint', 'lint');
  await check('format', 'format:check');
  await check('rooms', 'cruise');
  await check('types', 'types');
  await check('generated pages', 'docs:check');
  await check('generated rules and dashboards', 'monitoring:check');
}

await Promise.all([staticChecks(), tests('small')]);
await inLanes('medium');
await inLanes('system');
await check('fault runs, short form', 'chaos');
await check('incidents and their runbooks, short form', 'gameday', ['first-five', '--short']);

rmSync(scratch, { recursive: true, force: true });
console.log(`\nafter ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed === 0 ? 0 : 1);
