// `npm test`: everything, from a fresh clone. Static checks, small, medium and system tests, then the short
// fault runs. The last line is `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const startedAt = performance.now();
prepare(root);

const scratch = mkdtempSync(join(tmpdir(), 'posthorn-test-'));
const totals = { passed: 0, failed: 0 };

function step(name, command, args) {
  const began = performance.now();
  console.log(`\n── ${name}`);
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, NX_TUI: 'false' },
  });
  console.log(
    `── ${name}: ${status === 0 ? 'passed' : 'FAILED'} after ${((performance.now() - began) / 1000).toFixed(0)} s`,
  );
  return status === 0;
}

/** One check that passes or fails as a whole. */
function check(name, script) {
  totals[step(name, 'npm', ['run', '--silent', script]) ? 'passed' : 'failed'] += 1;
}

/** One size of tests: each test counts. A run that broke before its report counts as one failure. */
function tests(size) {
  const report = join(scratch, `${size}.json`);
  const hasPassed = step(`${size} tests`, process.execPath, [
    'tools/jest.mjs',
    size,
    '--json',
    `--outputFile=${report}`,
  ]);
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

check('generated code is what proto/ says', 'gen:check');
check('format', 'format:check');
check('lint', 'lint');
check('rooms', 'cruise');
check('types', 'types');
check('generated pages', 'docs:check');
tests('small');
tests('medium');
tests('system');
check('fault runs, short form', 'chaos');

rmSync(scratch, { recursive: true, force: true });
console.log(`\nafter ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed === 0 ? 0 : 1);
