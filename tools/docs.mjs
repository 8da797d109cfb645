// Writes docs/errors.md, docs/configuration.md and docs/providers/ from the code that they describe. `--check` fails when
// a page differs.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { prepare } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const load = (path) => import(pathToFileURL(join(root, path)).href);
prepare(root);

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

/** What every source refuses, whatever the provider. */
const REFUSALS = [
  ...['signature.missing', 'signature.malformed', 'signature.mismatch', 'signature.expired'],
  ...['address.not_allowed', 'request.not_found', 'request.method_not_allowed', 'request.too_large'],
  ...['quota.exceeded', 'store.unavailable'],
];
const RECONCILIATION = { yes: 'Possible', partly: 'Partly possible', no: 'Not possible' };

async function providerPages() {
  const [{ PROVIDERS }, { providerOf }, { ERRORS }] = await Promise.all([
    load('libs/providers/dist/registry.js'),
    load('apps/api/dist/transport/providers.dto.js'),
    load('libs/errors/dist/registry.js'),
  ]);
  const providers = [...PROVIDERS.values()];
  const pages = providers.map((provider) => [
    `docs/providers/${provider.id}.md`,
    providerPage(provider, providerOf(provider), ERRORS),
  ]);
  return [['docs/providers/README.md', providersPage(providers)], ...pages];
}

function providersPage(providers) {
  const rows = providers.map(({ id, name, schemes, page }) => [
    `[${name}](${id}.md)`,
    `\`${id}\``,
    schemes.join(' · '),
    RECONCILIATION[page.reconciliation.isPossible].toLowerCase(),
  ]);
  return `# Providers

Whose webhooks can be taken, and how each is set up. A sender that is not in the list may sign as one of the general schemes at its end.
Generated from \`libs/providers\` by \`npm run docs\`; how each scheme is verified stands in the README of its folder there.

${table(['provider', 'id', 'schemes', 'reconciliation'], rows)}
`;
}

function providerPage({ page, refusalStatus, documentation, id, name }, shown, errors) {
  const repeated = (status) =>
    ({ true: 'yes', false: 'no' })[
      page.retries.isRepeated[status] ?? page.retries.isRepeated[`${status}`[0] + 'xx']
    ] ?? 'not said';
  const answers = page.answers.map(({ on, status, body }) => [
    body === undefined ? on : `${on}: ${body}`,
    status,
    'no',
    '–',
  ]);
  const refusals = REFUSALS.map((code) => {
    const status = refusalStatus?.[code] ?? errors[code].http;
    return [
      `\`${code}\`: ${errors[code].title}`,
      status,
      repeated(status),
      errors[code].retryable ? 'transient' : 'permanent',
    ];
  });
  const settings = Object.entries(shown.settings.properties).map(([setting, schema]) => [
    `\`${setting}\``,
    schema.description ?? (schema.enum ?? []).map((value) => `\`${value}\``).join(', '),
    schema.default === undefined
      ? shown.settings.required?.includes(setting)
        ? 'required'
        : '–'
      : `\`${JSON.stringify(schema.default)}\``,
  ]);
  const list = (items) => items.map((item) => `- ${item}`).join('\n');
  return `# ${name}

${page.summary} The vendor's own page: <${documentation}>.

## Setting it up

Provider \`${id}\`. \`{url}\` is the address that the source shows: \`…/in/{tenant}/{source}\`.

${page.setup.map((step, index) => `${index + 1}. ${step}`).join('\n')}

**Secret.** ${page.secret} Both count while one replaces the other.

**Schemes.** ${shown.schemes.join(' · ')}. **Methods.** ${shown.methods.join(', ')}.

## What we answer

Nothing is answered 2xx before it is stored. Permanent: the same request will be refused again; transient: later it may be taken.

${table(['when', 'status', 'sent again by the sender', 'refusal'], [...answers, ...refusals])}

**Retries of the sender.** ${page.retries.policy}

**Sameness.** ${page.sameness} What is the same again is answered alike and changes nothing.

## Reconciliation

${RECONCILIATION[page.reconciliation.isPossible]}. ${page.reconciliation.how}
${page.limits.length === 0 ? '' : `\n## Limits\n\n${list(page.limits)}\n`}
## Settings

${table(['setting', 'what', 'default'], settings)}
`;
}

let isStale = false;
const isCheck = process.argv.includes('--check');
const pages = new Map([
  ['docs/errors.md', await errorsPage()],
  ['docs/configuration.md', await configurationPage()],
  ...(await providerPages()),
]);
if (!isCheck) mkdirSync(join(root, 'docs/providers'), { recursive: true });
for (const name of existsSync(join(root, 'docs/providers'))
  ? readdirSync(join(root, 'docs/providers'))
  : []) {
  if (pages.has(`docs/providers/${name}`)) continue;
  console.error(`docs/providers/${name} is of no provider; remove it`);
  isStale = true;
}
for (const [path, page] of pages) {
  const file = join(root, path);
  const formatted = await format(page, { ...(await resolveConfig(file)), parser: 'markdown' });
  if (!isCheck) writeFileSync(file, formatted);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== formatted) {
    console.error(`${path} is not what the code says; run: npm run docs`);
    isStale = true;
  }
}
process.exit(isStale ? 1 : 0);
