// Generates libs/contracts from proto/. `--check` regenerates into the same place and fails when git
// sees a difference, so that what is committed is what the proto says.
import { spawnSync } from 'node:child_process';

const run = (command, args) => {
  const { status, stdout } = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) process.exit(status ?? 1);
  return stdout;
};

run('npx', ['--no-install', 'buf', 'lint']);
run('npx', ['--no-install', 'buf', 'generate']);
if (process.argv.includes('--check')) {
  const changed = run('git', ['status', '--porcelain', '--', 'libs/contracts/src/gen']);
  if (changed.trim() !== '') {
    console.error(`libs/contracts differs from proto/; run: npm run gen\n${changed}`);
    process.exit(1);
  }
}
