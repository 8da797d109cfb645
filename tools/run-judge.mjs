import { spawn } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from './prepare.mjs';

/** Prepares the clone, then runs one program of test/ with the arguments of this process. */
export function runJudge(program) {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
  prepare(root);
  const args = ['--enable-source-maps', join(root, 'test/dist', program), ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  // Ctrl-C reaches the child too; this process waits until it has cleaned up.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
}
