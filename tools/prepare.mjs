import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NODE_MIN = [20, 19];
const LOCK_WAIT_MS = 600_000;
const LOCK_POLL_MS = 200;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Makes a clone ready to run: checks Node, installs the dependencies when they are missing or not those of
 * the lock file, builds what changed. Exits with a clear message when a step fails.
 * What `npm test` starts finds all of that done: building again would take files from under the tests of its other lane.
 */
export function prepare(root) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    fail(`Posthorn needs Node ${NODE_MIN.join('.')} or newer; this is ${process.versions.node}.`);
  }
  if (process.env.POSTHORN_IS_PREPARED === 'true') return;
  const unlock = lock(root);
  try {
    install(root);
    build(root);
  } finally {
    unlock();
  }
}

function install(root) {
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const mark = join(root, 'node_modules/.posthorn-installed');
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== lockHash) {
    console.log('Installing dependencies (npm ci) …');
    run(root, 'npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], 'npm ci failed: see above.');
    writeFileSync(mark, lockHash);
  }
}

function build(root) {
  console.log('Building …');
  run(
    root,
    process.execPath,
    [join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'build', '--outputStyle=static'],
    'The build failed: see above.',
    true,
  );
}

/**
 * Two at once, such as `npm start` beside `npm test`, would install over each other: the second waits. The lock of a
 * process that is gone is taken over.
 * @returns what gives it back.
 */
function lock(root) {
  const folder = join(root, '.posthorn');
  const file = join(folder, 'prepare.lock');
  mkdirSync(folder, { recursive: true });
  for (const untilMs = Date.now() + LOCK_WAIT_MS; ; Atomics.wait(sleeper, 0, 0, LOCK_POLL_MS)) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      const unlock = () => {
        process.off('exit', unlock);
        rmSync(file, { force: true });
      };
      process.on('exit', unlock);
      return unlock;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!isHeld(file)) rmSync(file, { force: true });
    else if (Date.now() > untilMs) fail(`Another process prepares this clone: ${file}`);
  }
}

function isHeld(file) {
  try {
    process.kill(Number(readFileSync(file, 'utf8')) || process.pid, 0);
    return true;
  } catch {
    return false;
  }
}

function run(cwd, command, args, failure, isQuiet = false) {
  const result = spawnSync(command, args, {
    cwd,
    stdio: isQuiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    encoding: 'utf8',
    env: { ...process.env, NX_TUI: 'false' },
  });
  if (result.status !== 0) {
    if (isQuiet) console.error(`${result.stdout}${result.stderr}`);
    fail(failure);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
