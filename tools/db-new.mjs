// `npm run db:new <service> <name>`: stamps an empty migration with the next number.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [service, name] = process.argv.slice(2);
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'apps', service ?? '', 'src/persistence/migrations');
if (!/^[a-z][a-z0-9-]*$/.test(name ?? '') || !existsSync(folder)) {
  console.error('usage: npm run db:new <tenants|events|compliance|dispatcher> <name-in-kebab-case>');
  process.exit(1);
}
const last = Math.max(0, ...readdirSync(folder).map((file) => Number(/^(\d{4})-/.exec(file)?.[1] ?? 0)));
const number = String(last + 1).padStart(4, '0');
const constant = `migration${number}`;
const path = join(folder, `${number}-${name}.ts`);
writeFileSync(
  path,
  `import { type Migration } from '@posthorn/postgres/migrate.js';

/** What changes and why it is safe while the version before still runs. */
export const ${constant}: Migration = {
  name: '${number}_${name.replaceAll('-', '_')}',
  up: [],
};
`,
);
console.log(`${path}\nAdd ${constant} to the list that apps/${service}/src/migrate.ts runs.`);
