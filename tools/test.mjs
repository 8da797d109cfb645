// `npm test`: everything, from a fresh clone. Static checks, small, medium and system tests, then the short
// fault runs. The last line is `N passed, N failed`.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from './prepare.mjs';

/** Side by side, each with servers of its own: these tests wait more than they work. */
const LANES = 2;

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
async function check(name, script) {
  totals[(await step(name, 'npm', ['run', '--silent', script])) ? 'passed' : 'failed'] += 1;
}

/** One size of tests: each test counts. A run that broke before its report counts as one failure. */
async function tests(size, lane = 0, lanes = 1) {
  const name = lanes === 1 ? `${size} tests` : `${size} tests, lane ${lane + 1}`;
  const report = join(scratch, `${size}-${lane}.json`);
  const args = ['tools/jest.mjs', size, '--json', `--outputFile=${report}`, `--shard=${lane + 1}/${lanes}`];
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

const inLanes = (size) => Promise.all(Array.from({ length: LANES }, (_, lane) => tests(size, lane, LANES)));

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

rmSync(scratch, { recursive: true, force: true });
console.log(`\nafter ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed === 0 ? 0 : 1);
