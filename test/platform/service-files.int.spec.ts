import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVICES = ['tenants', 'events', 'compliance', 'dispatcher', 'ingress', 'api'];
/** Nest loads them by itself. */
const BESIDE = '@grpc';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-files-'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(join(ROOT, 'node_modules', BESIDE), join(folder, 'node_modules', BESIDE));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts a program with an empty environment. @returns how it ended and what it said. */
const startOf = (main: string): Promise<{ code: unknown; said: string }> =>
  new Promise((done) => {
    execFile(
      process.execPath,
      ['--enable-source-maps', main],
      { env: {}, timeout: 20_000 },
      (error, stdout, stderr) => done({ code: error?.code, said: stdout + stderr }),
    );
  });

// Would break: a process that was killed would read its 1,400 modules one by one while senders wait.
test.each(SERVICES)('%s starts from one file, and its stack traces name the sources', async (service) => {
  const [from, to] = [join(ROOT, 'apps', service), join(folder, service)];
  for (const file of ['package.json', 'dist/main.js', 'dist/main.js.map'])
    await cp(join(from, file), join(to, file));
  const { code, said } = await startOf(join(to, 'dist/main.js'));
  // It has come as far as its configuration: every module is loaded by then.
  expect(said).toContain('config.invalid');
  expect(code).toBe(1);
  expect(said).toMatch(new RegExp(`${service}/src/[\\w.]+\\.ts:\\d+`));
});

test.each(SERVICES)('%s loads nothing of what is beside its file but gRPC and Node', async (service) => {
  const code = await readFile(join(ROOT, 'apps', service, 'dist/main.js'), 'utf8');
  const imported = [...code.matchAll(/^import (?:[^'"\n]* from )?["']([^"']+)["'];$/gm)].map(
    ([, name]) => name!,
  );
  expect(imported.length).toBeGreaterThan(10);
  expect(imported.filter((name) => !isBuiltin(name) && !name.startsWith(BESIDE))).toEqual([]);
});
