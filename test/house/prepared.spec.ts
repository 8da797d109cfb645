import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../src/house/running-platform.js';

const TOOLS = join(ROOT, 'tools');

// Nx puts what it has in its cache in the place of what is there, also when both are the same: for a moment files are gone.
test('what npm test starts builds nothing again: tests beside it start services from those files', () => {
  const script = `import(${JSON.stringify(join(TOOLS, 'prepare.mjs'))}).then(({ prepare }) => prepare(process.cwd()))`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, POSTHORN_IS_PREPARED: 'true' },
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('nothing but prepare.mjs builds', () => {
  const building = readdirSync(TOOLS).filter((name) =>
    /\bnx\.js\b/.test(readFileSync(join(TOOLS, name), 'utf8')),
  );
  expect(building).toEqual(['prepare.mjs']);
});
