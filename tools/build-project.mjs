// Compiles one project's src/ to dist/ with SWC, and makes one file of a service. Why not tsc: types are checked once
// for the whole house (`npm run types`); why not esbuild alone: it drops the decorator metadata that Nest needs.
import { transformFile } from '@swc/core';
import { mkdir, readdir, rm, writeFile, copyFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleService } from './bundle-service.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const project = resolve(process.argv[2] ?? '.');
const [src, dist] = [join(project, 'src'), join(project, 'dist')];

await rm(dist, { recursive: true, force: true });
const entries = await readdir(src, { recursive: true, withFileTypes: true });
await Promise.all(
  entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.spec.ts'))
    .map(async (entry) => {
      const from = join(entry.parentPath, entry.name);
      const to = join(dist, relative(src, from));
      await mkdir(dirname(to), { recursive: true });
      if (!entry.name.endsWith('.ts')) return copyFile(from, to);
      const out = to.replace(/\.ts$/, '.js');
      const { code, map } = await transformFile(from, {
        configFile: join(root, '.swcrc'),
        sourceFileName: relative(dirname(out), from),
      });
      await writeFile(out, `${code}\n//# sourceMappingURL=${entry.name.replace(/\.ts$/, '.js.map')}\n`);
      await writeFile(`${out}.map`, map ?? '');
    }),
);
if (dirname(project) === join(root, 'apps')) await bundleService(project);
