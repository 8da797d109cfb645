// Writes the chart's alert rules and dashboards, and docs/metrics.md, from deploy/monitoring. `--check` fails when one differs.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import YAML from 'yaml';
import { prepare } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
prepare(root);
const load = (name) => import(pathToFileURL(join(root, 'deploy/monitoring/dist', name)).href);
const [{ ruleFiles }, { DASHBOARDS }, { grafanaJson }, { METRICS }] = await Promise.all(
  ['rules.js', 'dashboards.js', 'panel.js', 'inventory.js'].map(load),
);

// An expression stays on one line, as it is typed into Prometheus.
YAML.scalarOptions.str.fold.lineWidth = 0;

const FOLDERS = ['helm/posthorn/files/alerts', 'helm/posthorn/files/dashboards'];
const HEAD = '# Generated from deploy/monitoring by `npm run monitoring`.\n';
const cell = (text) => text.replaceAll('|', '\\|');
const code = (words) => words.map((word) => `\`${word}\``).join(', ');

function metricsPage() {
  const rows = METRICS.map(({ name, type, labels, services, help }) =>
    [`\`${name}\``, type, code(labels), services.join(', '), help].map(cell).join(' | '),
  );
  return `# Metrics

Every process serves them in Prometheus' text format: \`ingress\` and \`api\` at \`/metrics\` of their port, the others at \`/metrics\` of their health port. Times are in
seconds, sizes in bytes; counters end in \`_total\`, histograms have \`_bucket\`, \`_sum\` and \`_count\`. Labels have few values: no tenant, event or person is ever one, so
a process has at most 2,000 series however many tenants it serves. Beside these there are the usual \`process_\` and \`nodejs_\` metrics.
\`npm run monitoring\` writes this page, the alert rules and the dashboards from \`deploy/monitoring\`; a test compares the list with what the running processes serve.

| metric | type | labels | of | what |
| --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`).join('\n')}
`;
}

const files = new Map([
  ['docs/metrics.md', [metricsPage(), 'markdown']],
  ...[...ruleFiles()].map(([name, groups]) => [
    `${FOLDERS[0]}/${name}.yaml`,
    [HEAD + YAML.stringify({ groups }), 'yaml'],
  ]),
  ...DASHBOARDS.map((dashboard) => [
    `${FOLDERS[1]}/${dashboard.name}.json`,
    [JSON.stringify(grafanaJson(dashboard)), 'json'],
  ]),
]);

const isCheck = process.argv.includes('--check');
let isStale = false;
for (const folder of FOLDERS) {
  mkdirSync(join(root, folder), { recursive: true });
  for (const name of readdirSync(join(root, folder))) {
    if (files.has(`${folder}/${name}`)) continue;
    console.error(`${folder}/${name} is of nothing in deploy/monitoring; remove it`);
    isStale = true;
  }
}
for (const [path, [text, parser]] of files) {
  const file = join(root, path);
  const formatted = await format(text, { ...(await resolveConfig(file)), parser });
  if (!isCheck) writeFileSync(file, formatted);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== formatted) {
    console.error(`${path} is not what deploy/monitoring says; run: npm run monitoring`);
    isStale = true;
  }
}
process.exit(isStale ? 1 : 0);
