// Writes helm/posthorn/README.md and values.schema.json from values.yaml and its comments. `--check` fails when one differs.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import yaml from 'yaml';

const chart = join(resolve(dirname(fileURLToPath(import.meta.url)), '..'), 'helm/posthorn');
const text = readFileSync(join(chart, 'values.yaml'), 'utf8');
const values = yaml.parse(text);

/** What a default cannot say: choices, forms, and maps whose keys are the user's. By path; `*` is any key. */
const RULES = {
  'image.pullPolicy': { enum: ['Always', 'IfNotPresent', 'Never'] },
  'image.digests': { additionalProperties: { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' } },
  publicIngressUrl: { pattern: '^(https?://[^/?#]+/?)?$' },
  logLevel: { enum: ['debug', 'info', 'warn', 'error', 'silent'] },
  otlpEndpoint: { pattern: '^(https?://.+)?$' },
  traceSampleRatio: { pattern: '^[01](\\.[0-9]{1,9})?$' },
  'shutdown.preStopSeconds': { minimum: 1, maximum: 60 },
  'shutdown.drainSeconds': { minimum: 1, maximum: 600 },
  // No user and no password: values are readable by many.
  'database.url': { pattern: '^(postgres(ql)?://[^@/]+/[^@]+)?$' },
  'nats.url': { pattern: '^((nats|tls)://[^@/]+)?$' },
  'nats.replicas': { enum: [1, 3, 5] },
  'tls.mode': { enum: ['chart', 'certManager'] },
  'tls.certManager.issuerRef.kind': { enum: ['Issuer', 'ClusterIssuer'] },
  'tls.chart.trusted': { items: { type: 'integer', minimum: 1 }, minItems: 1, uniqueItems: true },
  'tls.chart.signer': { minimum: 1 },
  'exposeIngress.type': { enum: ['none', 'gateway', 'ingress'] },
  'exposeApi.type': { enum: ['none', 'gateway', 'ingress'] },
  'exposeIngress.paths': { items: { type: 'string', pattern: '^/' }, minItems: 1 },
  'exposeApi.paths': { items: { type: 'string', pattern: '^/' }, minItems: 1 },
  'autoscaling.engine': { enum: ['hpa', 'keda'] },
  'services.*.kind': { enum: ['http', 'grpc'] },
  'services.*.replicas': { minimum: 1 },
  'services.*.env': { additionalProperties: { type: ['string', 'number', 'boolean'] } },
  'services.*.scaling': {
    properties: {
      min: { type: 'integer', minimum: 1 },
      max: { type: 'integer', minimum: 1 },
      cpuPercent: { type: 'integer', minimum: 1, maximum: 100 },
      metric: { type: 'string' },
      target: { type: 'string', pattern: '^[0-9]+$' },
    },
    additionalProperties: false,
  },
};
/** Maps that Kubernetes or the user defines: their keys are not ours to list. */
const OPEN = /(^|\.)(annotations|labels|nodeSelector|resources|merge|env|digests|scaling)$/;

const ruleOf = (path) => RULES[path] ?? RULES[path.replace(/^services\.[^.]+/, 'services.*')] ?? {};
const isMap = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Path → the comment right above its key; a blank line parts a comment from what follows. */
function readDescriptions() {
  const found = new Map();
  let at = [];
  let comment = [];
  for (const line of text.split('\n')) {
    const [, indent, rest] = /^( *)(.*)$/.exec(line);
    const key = /^([A-Za-z0-9]+):/.exec(rest)?.[1];
    if (rest.startsWith('#')) comment.push(rest.slice(1).trim());
    else if (key === undefined) comment = [];
    else {
      at = [...at.slice(0, indent.length / 2), key];
      if (comment.length > 0) found.set(at.join('.'), comment.join(' '));
      comment = [];
    }
  }
  return found;
}
const descriptions = readDescriptions();

function schemaOf(value, path) {
  const description = descriptions.get(path);
  const head = description ? { description } : {};
  const rule = ruleOf(path);
  if (Array.isArray(value)) return { ...head, type: 'array', ...rule };
  if (!isMap(value)) return { ...head, type: Number.isInteger(value) ? 'integer' : typeof value, ...rule };
  if (OPEN.test(path)) return { ...head, type: 'object', ...rule };
  const properties = Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, schemaOf(each, path === '' ? key : `${path}.${key}`)]),
  );
  // `global` is Helm's own, of every chart.
  const global = path === '' ? { global: { type: 'object' } } : {};
  return { ...head, type: 'object', properties: { ...properties, ...global }, additionalProperties: false };
}

function* rowsOf(map, at = '') {
  for (const [key, value] of Object.entries(map)) {
    const path = `${at}${key}`;
    const isGroup = isMap(value) && !OPEN.test(path);
    // The six services repeat each other: only what has a word of its own is listed.
    const isRepeated = /^services\..+\..+/.test(path) && !descriptions.has(path);
    const json = isGroup ? '' : JSON.stringify(value);
    const shown = json === '' ? '' : json.length > 60 ? 'see values.yaml' : `\`${json}\``;
    if (!isRepeated) yield [`\`${path}\``, descriptions.get(path) ?? '', shown];
    if (isGroup) yield* rowsOf(value, `${path}.`);
  }
}
const cell = (words) => words.replaceAll('|', '\\|');
const tableOf = () =>
  [['value', 'what', 'default'], ['---', '---', '---'], ...rowsOf(values)]
    .map((row) => `| ${row.map(cell).join(' | ')} |`)
    .join('\n');

const readme = `# Chart posthorn

Six services from one workload template. How to install it, with worked examples: [docs/install.md](../../docs/install.md); how to run
it: [docs/operations.md](../../docs/operations.md). This page and \`values.schema.json\` are generated from \`values.yaml\` by
\`node tools/chart-docs.mjs\`.

${tableOf()}
`;
const schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'posthorn',
  ...schemaOf(values, ''),
};
let isStale = false;
for (const [name, content, parser] of [
  ['README.md', readme, 'markdown'],
  ['values.schema.json', JSON.stringify(schema), 'json'],
]) {
  const file = join(chart, name);
  const formatted = await format(content, { ...(await resolveConfig(file)), parser });
  if (!process.argv.includes('--check')) writeFileSync(file, formatted);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== formatted) {
    console.error(`helm/posthorn/${name} is not what values.yaml says; run: node tools/chart-docs.mjs`);
    isStale = true;
  }
}
process.exit(isStale ? 1 : 0);
