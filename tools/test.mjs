// `npm test`: everything, from a fresh clone. Static checks, small, medium and system tests, then the short
// fault runs. The last line is `N passed, N failed`.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from './prepare.mjs';

/**
 * How much of the machine a job takes, in sixths: medium tests wait as much as they work; a platform of one's own is
 * more than one core. What is together below `CAPACITY` runs side by side, the first of the list first.
 */
const CAPACITY = 6;
/** Many parts, so that the last ones end together. Files that share a platform are one part. */
const MEDIUM_PARTS = 9;
const SYSTEM_PARTS = 4;
/** No step takes half of this on a slow machine: one that does hangs, such as Jest on a server that a test left open. */
const STEP_MINUTES_MAX = 25;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const startedAt = performance.now();
prepare(root);

const scratch = mkdtempSync(join(tmpdir(), 'posthorn-test-'));
const totals = { passed: 0, failed: 0 };
const groups = new Set();

function signal(group, name) {
  try {
    process.kill(-group, name);
  } catch {
    // It has ended meanwhile.
  }
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(name, () => {
    for (const group of groups) signal(group, name);
    process.exit(1);
  });

/** Runs one command. What it prints comes out in one piece at its end. @returns whether it passed. */
function step(name, command, args, lane = 0) {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: what it has started can be ended with it.
      detached: true,
      env: {
        ...process.env,
        NX_TUI: 'false',
        POSTHORN_IS_PREPARED: 'true',
        POSTHORN_TEST_LANE: String(lane),
      },
    });
    groups.add(child.pid);
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
    const limit = setTimeout(() => {
      output.push(Buffer.from(`\nnot over after ${STEP_MINUTES_MAX} minutes: ended\n`));
      signal(child.pid, 'SIGKILL');
    }, STEP_MINUTES_MAX * 60_000);
    const end = (hasPassed) => {
      clearTimeout(limit);
      groups.delete(child.pid);
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
async function check(name, script, args = [], lane = 0) {
  const hasPassed = await step(name, 'npm', ['run', '--silent', script, '--', ...args], lane);
  totals[hasPassed ? 'passed' : 'failed'] += 1;
}

/**
 * One part of a size of tests: each test counts. A run that broke before its report counts as one failure.
 * @param only pattern of the paths of its files.
 */
async function tests(size, { lane = 0, part = 1, parts = 1, only, name: given } = {}) {
  const name = [`${size} tests`, given, parts > 1 ? `part ${part} of ${parts}` : undefined];
  const report = join(scratch, `${size}-${given ?? part}.json`);
  const args = ['tools/jest.mjs', size, '--json', `--outputFile=${report}`, `--shard=${part}/${parts}`];
  if (only !== undefined) args.push(`--testPathPatterns=${only}`);
  const hasPassed = await step(name.filter(Boolean).join(', '), process.execPath, args, lane);
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

async function staticChecks() {
  await check('generated code is what proto/ says', 'gen:check');
  await check('lint', 'lint');
  await check('format', 'format:check');
  await check('rooms', 'cruise');
  await check('types', 'types');
  await check('generated pages', 'docs:check');
  await check('generated rules and dashboards', 'monitoring:check');
}

/** Runs all jobs, in order, as many side by side as fit. Each has a lane: ports and folders of its own. */
async function inPool(jobs) {
  const waiting = [...jobs];
  const lanes = new Set();
  let used = 0;
  await new Promise((allDone) => {
    const startWhatFits = () => {
      if (waiting.length === 0 && used === 0) return allDone();
      while (waiting.length > 0 && used + waiting[0].weight <= CAPACITY) {
        const { weight, run } = waiting.shift();
        const lane = [0, 1, 2].find((each) => !lanes.has(each));
        lanes.add(lane);
        used += weight;
        void run(lane).finally(() => {
          lanes.delete(lane);
          used -= weight;
          startWhatFits();
        });
      }
    };
    startWhatFits();
  });
}

const count = (parts) => Array.from({ length: parts }, (_, at) => at + 1);
await inPool([
  { weight: 3, run: staticChecks },
  { weight: 3, run: (lane) => tests('small', { lane }) },
  ...count(MEDIUM_PARTS).map((part) => ({
    weight: 2,
    run: (lane) => tests('medium', { lane, part, parts: MEDIUM_PARTS }),
  })),
  {
    weight: 3,
    run: (lane) =>
      check('incidents and their runbooks, short form', 'gameday', ['first-five', '--short'], lane),
  },
  { weight: 3, run: (lane) => tests('system', { lane, only: 'test/system/shared/', name: 'shared' }) },
  ...count(SYSTEM_PARTS).map((part) => ({
    weight: 3,
    run: (lane) => tests('system', { lane, part, parts: SYSTEM_PARTS, only: 'test/system/[^/]+$' }),
  })),
  // Alone: how soon an answer comes is judged, and that none is refused.
  { weight: CAPACITY, run: (lane) => tests('system', { lane, only: 'test/system/alone/', name: 'alone' }) },
  { weight: CAPACITY, run: (lane) => check('fault runs, short form', 'chaos', [], lane) },
]);

rmSync(scratch, { recursive: true, force: true });
console.log(`\nafter ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed === 0 ? 0 : 1);
