// `npm run status`: how the local platform is: every stage, what is wrong and which runbook is about it, what is stopped, how new sources do.
// Arguments: --data DIR (where `npm start` keeps its data, default .posthorn), --json. With POSTHORN_URL and OPERATOR_KEY set, any platform.
// Ends with 0 when all is well, with 1 when something is wrong, with 2 when nobody answers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const TIMEOUT_MS = 10_000;
const STAGE_COLUMNS = ['stage', 'service', 'depth', 'lag', 'oldest', 'rate/s'];
const LAUNCH_COLUMNS = [
  'source',
  'tenant',
  'provider',
  'events',
  'twice',
  'waiting',
  'lag',
  'dead',
  'by hand',
];

const args = process.argv.slice(2);
const isJson = args.includes('--json');
const dataDir = args.includes('--data') ? args[args.indexOf('--data') + 1] : '.posthorn';

/** Where the API is, and an operator's key. */
function place() {
  const { POSTHORN_URL, OPERATOR_KEY } = process.env;
  if (POSTHORN_URL && OPERATOR_KEY)
    return { apiUrl: POSTHORN_URL, operatorKey: OPERATOR_KEY, healthUrls: {} };
  try {
    return JSON.parse(readFileSync(join(dataDir, 'local.json'), 'utf8'));
  } catch {
    console.error(
      `No platform is up in ${dataDir}: npm start, or --data DIR, or POSTHORN_URL and OPERATOR_KEY.`,
    );
    process.exit(2);
  }
}

const shown = (value) => (value === null || value === undefined ? '–' : String(value));
const seconds = (value) =>
  value === null ? '–' : value < 1 ? `${Math.round(value * 1_000)} ms` : `${Math.round(value)} s`;
const share = (value) => (value === null ? '–' : `${value} %`);
const since = (time, now) =>
  time === null ? '–' : seconds(Math.max(0, (Date.parse(now) - Date.parse(time)) / 1_000));

function table(columns, rows) {
  const widths = columns.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at].length)));
  const line = (cells) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]))
      .join('  ')
      .trimEnd();
  return [line(columns), ...rows.map(line)].join('\n');
}

const wrongLines = (name, wrong) => wrong.map(({ what, runbook }) => `  ${name}: ${what}\n    → ${runbook}`);

function print({ at, isWell, services, stages, stops, launches }) {
  const stageRows = stages.map((stage) => [
    ...[stage.stage, stage.service, stage.isMore ? `> ${stage.depth}` : shown(stage.depth)],
    ...[seconds(stage.lagSeconds), since(stage.oldestAt, at), shown(stage.ratePerSecond)],
  ]);
  console.log(
    `${at}  ${isWell ? 'all is well' : 'something is wrong'}\n\n${table(STAGE_COLUMNS, stageRows)}`,
  );
  const wrong = [
    ...services
      .filter(({ isAnswering }) => !isAnswering)
      .map(({ service }) => `  ${service} does not answer`),
    ...stages.flatMap((stage) => wrongLines(stage.stage, stage.wrong)),
    ...(launches ?? []).flatMap((launch) => wrongLines(`${launch.tenant}/${launch.name}`, launch.wrong)),
  ];
  if (wrong.length > 0) console.log(`\nwrong\n${wrong.join('\n')}`);
  if (stops === null) console.log('\nstopped by hand: not known');
  else if (stops.length > 0) {
    const lines = stops.map(
      ({ kind, tenant, sourceId }) => `  ${[kind, tenant, sourceId].filter(Boolean).join(' ')}`,
    );
    console.log(`\nstopped by hand\n${lines.join('\n')}`);
  }
  if (launches !== null && launches.length > 0)
    console.log(`\nnew sources\n${table(LAUNCH_COLUMNS, launches.map(launchRow))}`);
}

const launchRow = (launch) => [
  ...[launch.name, launch.tenant, launch.provider, shown(launch.events), share(launch.duplicateShare)],
  ...[
    shown(launch.waiting),
    seconds(launch.lagSeconds),
    shown(launch.deadLetters),
    share(launch.manualShare),
  ],
];

/** Without the API: who is ready, and why not. */
async function printProcesses(healthUrls) {
  for (const [name, url] of Object.entries(healthUrls)) {
    const readiness = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
      .then((response) => response.json())
      .catch(() => undefined);
    const failing = Object.entries(readiness?.checks ?? {}).filter(([, result]) => result !== 'ok');
    const why = failing.map(([check, result]) => `${check} ${result}`).join(', ');
    console.error(`  ${name}: ${readiness === undefined ? 'does not answer' : why === '' ? 'ready' : why}`);
  }
  console.error(
    '  → docs/runbooks/database-failover.md when Postgres is away, docs/runbooks/queue-backlog.md otherwise',
  );
}

const { apiUrl, operatorKey, healthUrls } = place();
const headers = { authorization: `Bearer ${operatorKey}` };
const answer = await fetch(`${apiUrl}/v1/overview`, {
  headers,
  signal: AbortSignal.timeout(TIMEOUT_MS),
}).catch(() => undefined);
if (answer?.status === 200) {
  const overview = await answer.json();
  if (isJson) console.log(JSON.stringify(overview, undefined, 2));
  else print(overview);
  process.exitCode = overview.isWell ? 0 : 1;
} else {
  console.error(answer === undefined ? `${apiUrl} does not answer` : `${apiUrl} answers ${answer.status}`);
  await printProcesses(healthUrls);
  process.exitCode = 2;
}
