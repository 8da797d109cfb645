// `npm run db:migrate`: brings the schemas of all services up to date. DATABASE_ADMIN_URL and DATABASE_PASSWORD_FILE say where.
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
prepare(root);
for (const service of ['tenants', 'events', 'compliance', 'dispatcher']) {
  const { status } = spawnSync(process.execPath, [join(root, 'apps', service, 'dist/migrate.js')], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
