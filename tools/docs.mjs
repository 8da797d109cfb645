// Writes docs/errors.md and docs/configuration.md from the code that they describe. `--check` fails when a page differs.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const load = (path) => import(pathToFileURL(join(root, path)).href);
execFileSync(process.execPath, [join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'build'], {
  cwd: root,
  stdio: 'ignore',
});

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

async function errorsPage() {
  const { ERRORS } = await load('libs/errors/dist/registry.js');
  const rows = Object.entries(ERRORS).map(([code, { http, grpc, title, retryable }]) => [
    `\`${code}\``,
    title,
    http,
    grpc,
    retryable ? 'yes' : 'no',
  ]);
  return `# Errors

Every error that the REST API, the intake and the services can give. The API and the intake answer with
\`application/problem+json\` (RFC 9457); \`code\` is one of these. Retryable: the same request may succeed later unchanged; a
\`Retry-After\` header says when. Generated from \`libs/errors/src/registry.ts\` by \`npm run docs\`.

${table(['code', 'meaning', 'HTTP', 'gRPC', 'retryable'], rows)}
`;
}

async function configurationPage() {
  const shared = await load('libs/server/dist/config.js');
  const groups = Object.entries(shared).filter(([name]) => name.endsWith('_CONFIG'));
  const sharedKeys = new Set(groups.flatMap(([, group]) => Object.values(group).map(({ env }) => env)));
  const row = ({ env, description, default: value, isSecret }) => [
    `\`${env}\``,
    description,
    value === undefined ? 'required' : value === '' ? '–' : `\`${value}\``,
    isSecret ? 'yes' : '',
  ];
  const head = ['variable', 'what', 'default', 'secret'];
  const titles = {
    SERVER_CONFIG: 'Every service',
    GRPC_CONFIG: 'Services with gRPC',
    DATABASE_CONFIG: 'Services with a schema',
    NATS_CONFIG: 'Services that use NATS',
  };
  const sections = groups.map(
    ([name, group]) => `## ${titles[name] ?? name}\n\n${table(head, Object.values(group).map(row))}`,
  );
  for (const service of ['ingress', 'api', 'tenants', 'events', 'compliance', 'dispatcher']) {
    const { CONFIG_SCHEMA } = await load(`apps/${service}/dist/config.js`);
    const own = Object.values(CONFIG_SCHEMA).filter(({ env }) => !sharedKeys.has(env));
    if (own.length > 0) sections.push(`## ${service}\n\n${table(head, own.map(row))}`);
  }
  return `# Configuration

Every process reads its configuration from the environment, once, and refuses to start with a list of everything that is wrong.
Generated from the schemas that validate it by \`npm run docs\`.

${sections.join('\n\n')}
`;
}

let isStale = false;
for (const [path, page] of [
  ['docs/errors.md', await errorsPage()],
  ['docs/configuration.md', await configurationPage()],
]) {
  const file = join(root, path);
  const formatted = await format(page, { ...(await resolveConfig(file)), parser: 'markdown' });
  if (!process.argv.includes('--check')) writeFileSync(file, formatted);
  else if (readFileSync(file, 'utf8') !== formatted) {
    console.error(`${path} is not what the code says; run: npm run docs`);
    isStale = true;
  }
}
process.exit(isStale ? 1 : 0);
