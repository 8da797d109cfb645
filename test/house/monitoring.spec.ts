import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { METRICS, SERIES_MAX } from '@posthorn/monitoring/inventory.js';
import { referredMetrics, referredRecords, shippedExpressions } from '@posthorn/monitoring/references.js';
import { type AlertRule, type RecordingRule } from '@posthorn/monitoring/rule.js';
import { ruleFiles } from '@posthorn/monitoring/rules.js';
import { CALL_BUCKETS } from '@posthorn/server/metrics.js';

const root = resolve(import.meta.dirname, '../..');
const rules = [...ruleFiles().values()].flat().flatMap(({ rules: each }) => each);
const known = new Map(METRICS.map((metric) => [metric.name, metric]));
/** What Prometheus adds, by the scrape or by itself. */
const ADDED_LABELS = ['service', 'le', 'alertname', 'alertstate', 'severity', 'slo', 'stage', 'window'];
/** A label of this kind would have a value for each customer, or each message. */
const UNBOUNDED = /tenant|source|destination|event|message|person|conversation|delivery|id$|key|url|address/;
/** The bucket of all, sum and count. */
const SERIES_OF_HISTOGRAM = 3;
/** Codes that calls of one method usually fail with. */
const FAILURES_OF_METHOD = 2;
/** Of the process itself, and what a service measures besides calls. */
const OTHER_SERIES = 400;
const UNITS_AT_END = /_(seconds|bytes|total)$/;

test('H2 names end in their unit: times in seconds, counters in _total', () => {
  for (const { name, type } of METRICS) {
    expect(name).toMatch(/^posthorn_[a-z][a-z_]*[a-z]$/);
    expect(name).not.toMatch(/_(ms|milliseconds|minutes|kb|mb|percent)(_|$)/);
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
    if (type === 'gauge') expect(name.replace(/_seconds$/, '')).not.toMatch(UNITS_AT_END);
  }
  expect(known.size).toBe(METRICS.length);
});

test('H2 no label has a value for each tenant, event or person', () => {
  expect(METRICS.flatMap(({ labels }) => labels.filter((label) => UNBOUNDED.test(label)))).toEqual([]);
});

test('H2 what the code measures is in the list, and the list has nothing else', () => {
  const sources = ['apps', 'libs'].flatMap((kind) =>
    readdirSync(join(root, kind)).flatMap((project) =>
      readdirSync(join(root, kind, project, 'src'), { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
        .map((path) => join(kind, project, 'src', path)),
    ),
  );
  const measured = new Set(
    sources.flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const declared = /(?:name:\s*|gauge\(\s*(?:metrics,)?\s*)'(posthorn_[a-z_]+)'/g;
      return [...text.matchAll(declared)].map(([, name]) => name!);
    }),
  );
  expect([...measured].sort()).toEqual([...known.keys()].sort());
});

test('H4 rules and dashboards read only what is there', () => {
  const own = referredMetrics().filter((name) => name.startsWith('posthorn_'));
  expect(own.filter((name) => !known.has(name))).toEqual([]);
  const recorded = new Set(
    rules.flatMap((rule) => ('record' in rule ? [(rule as RecordingRule).record] : [])),
  );
  expect(referredRecords().filter((name) => !recorded.has(name))).toEqual([]);
});

test('H4 rules and dashboards select by labels that the metric has', () => {
  for (const expr of shippedExpressions())
    for (const [, name, selector] of expr.matchAll(/\b(posthorn_[a-z_]+)\{([^}]*)\}/g)) {
      const metric = known.get(name!) ?? known.get(name!.replace(/_(bucket|sum|count)$/, ''))!;
      const labels = [...selector!.matchAll(/([a-z_]+)(?:=~|!=|=)/g)].map(([, label]) => label!);
      expect(labels.filter((label) => ![...metric.labels, ...ADDED_LABELS].includes(label))).toEqual([]);
    }
});

test('H4 every alert links to a runbook that exists', () => {
  const alerts = rules.filter((rule): rule is AlertRule => 'alert' in rule);
  const missing = alerts.filter(({ annotations }) => !existsSync(join(root, annotations.runbook)));
  expect(missing.map(({ alert, annotations }) => `${alert}: ${annotations.runbook}`)).toEqual([]);
});

test('H2 calls between services stay within the series of a process, even of one that called every method there is', async () => {
  const folder = join(root, 'libs/contracts/src/gen/posthorn');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  let methods = 0;
  for (const path of files) {
    const module = (await import(pathToFileURL(join(folder, path)).href)) as Record<string, object>;
    for (const [name, service] of Object.entries(module))
      if (name.endsWith('ServiceService')) methods += Object.keys(service).length;
  }
  expect(methods).toBeGreaterThan(100);
  const perMethod = CALL_BUCKETS.length + SERIES_OF_HISTOGRAM + FAILURES_OF_METHOD;
  expect(methods * perMethod + OTHER_SERIES).toBeLessThanOrEqual(SERIES_MAX);
});
