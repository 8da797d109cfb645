import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { INCIDENTS } from '@posthorn/monitoring/incidents.js';
import { type AlertRule, type RuleGroup, TimeScale } from '@posthorn/monitoring/rule.js';
import { ruleFiles } from '@posthorn/monitoring/rules.js';
import { BURNS, OBJECTIVES } from '@posthorn/monitoring/slos.js';
import { findProgram } from '@posthorn/testing/installed-program.js';
import { PROMTOOL } from '../src/monitoring/prometheus.js';
import {
  INCIDENT_CASES,
  SERIES_OF_OBJECTIVE,
  type SeriesOf,
  type Share,
} from '../src/monitoring/rule-cases.js';

const chart = resolve(import.meta.dirname, '../../helm/posthorn/files/alerts');
const promtool = findProgram(PROMTOOL);
const folder = mkdtempSync(join(tmpdir(), 'posthorn-rules-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @returns path of each rule file by its name. */
const write = (files: ReadonlyMap<string, readonly RuleGroup[]>, ending: string): Map<string, string> =>
  new Map(
    [...files].map(([name, groups]) => {
      const file = join(folder, `${name}${ending}.json`);
      writeFileSync(file, JSON.stringify({ groups }));
      return [name, file];
    }),
  );
const shipped = write(ruleFiles(), '');
/** One rule file only: promtool evaluates every rule it is given at every step of every test. */
const rulesOf = (name: 'incidents' | 'slo'): string[] => [shipped.get(name)!];

function run(args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(promtool, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stdout + stderr);
}

/** What is to fire, or not to, at a time, under some series. */
interface Expectation {
  /** Labels of the alert. */
  readonly selector: string;
  readonly isFiring: boolean;
  readonly at: string;
  readonly series: SeriesOf;
  readonly interval?: string;
}

/** Has promtool evaluate the shipped rules of a file. @throws Error with what was otherwise. */
function expectAll(rules: 'incidents' | 'slo', expectations: readonly Expectation[]): void {
  const tests = expectations.map(({ selector, isFiring, at, series, interval = '1m' }) => ({
    interval,
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: `group(ALERTS{${selector},alertstate="firing"})`,
        eval_time: at,
        exp_samples: isFiring ? [{ labels: '{}', value: 1 }] : [],
      },
    ],
  }));
  const evaluation = expectations[0]!.interval ?? '1m';
  const file = join(folder, 'test.json');
  writeFileSync(file, JSON.stringify({ rule_files: rulesOf(rules), evaluation_interval: evaluation, tests }));
  run(['test', 'rules', file]);
}

const alertsOf = (files: ReadonlyMap<string, readonly RuleGroup[]>): AlertRule[] =>
  [...files.values()]
    .flat()
    .flatMap(({ rules }) => rules.filter((rule): rule is AlertRule => 'alert' in rule));

test('H4 the rules are valid, as the chart has them and in fast motion', () => {
  run(['check', 'rules', ...readdirSync(chart).map((name) => join(chart, name))]);
  run(['check', 'rules', ...shipped.values(), ...write(ruleFiles(1 / 60), '-scaled').values()]);
});

test('H4 every alert says how bad it is, what it means, and which runbook to open', () => {
  for (const { labels, annotations } of alertsOf(ruleFiles())) {
    expect(['page', 'ticket']).toContain(labels.severity);
    expect(annotations.runbook).toMatch(/^docs\/runbooks\/[a-z-]+\.md$/);
    expect(annotations.summary.length * annotations.description.length).toBeGreaterThan(0);
  }
});

test('H4 scaled rules are the shipped ones with shorter times', () => {
  const [slow, fast] = [alertsOf(ruleFiles()), alertsOf(ruleFiles(1 / 60))];
  expect(fast.map(({ alert }) => alert)).toEqual(slow.map(({ alert }) => alert));
  const outage = fast.find(({ alert }) => alert === 'PosthornProviderOutage')!;
  expect([outage.for, outage.expr.match(/\[[0-9a-z]+\]/g)]).toEqual([
    '5s',
    expect.arrayContaining(['[5s]', '[10s]', '[60s]']),
  ]);
});

test('H4 every incident has a case', () => {
  const tested = new Set(INCIDENT_CASES.map(({ name }) => name));
  expect(INCIDENTS.map(({ alert }) => alert).filter((alert) => !tested.has(alert))).toEqual([]);
  expect(Object.keys(SERIES_OF_OBJECTIVE)).toEqual(OBJECTIVES.map(({ name }) => name));
});

test.each(INCIDENTS)(
  'H4 $alert fires for its incident, and for nothing that only looks like it',
  ({ alert }) => {
    const selector = `alertname="${alert}"`;
    const cases = INCIDENT_CASES.filter(({ name }) => name === alert);
    expectAll(
      'incidents',
      cases.flatMap(({ at, fires, quiet }) => [
        { selector, isFiring: true, at, series: fires },
        { selector, isFiring: false, at, series: quiet },
      ]),
    );
  },
);

test('H4 each way in which an alert may fire is one that a case fires', () => {
  // Would break: one of a dozen conditions of an alert asks for what nobody reports, and the others hide it.
  const scale = new TimeScale();
  const ways = INCIDENTS.flatMap(({ alert, any }) =>
    any(
      (duration) => scale.range(duration),
      (duration) => scale.seconds(duration),
    ).map((expr) => ({ alert, expr })),
  );
  // All ways of an alert are asked of one storage for each case: making one is most of what a test of promtool costs.
  const tests = INCIDENT_CASES.map(({ name, at, fires }) => ({
    interval: '1m',
    input_series: Object.entries(fires).map(([series, values]) => ({ series, values })),
    promql_expr_test: ways.flatMap(({ alert, expr }, way) =>
      alert === name
        ? [{ expr: `label_replace(group(${expr}), "way", "${way}", "", "")`, eval_time: at, exp_samples: [] }]
        : [],
    ),
  }));
  const file = join(folder, 'ways.json');
  writeFileSync(file, JSON.stringify({ rule_files: rulesOf('incidents'), evaluation_interval: '1m', tests }));
  const { stdout, stderr } = spawnSync(promtool, ['test', 'rules', file], { encoding: 'utf8' });
  // Nothing is expected of any: what promtool complains of are those that fire.
  const firing = new Set(
    [...(stdout + stderr).matchAll(/got: \{way="(\d+)"\}/g)].map(([, way]) => Number(way)),
  );
  expect(ways.filter((_, way) => !firing.has(way))).toEqual([]);
});

/** How far apart samples are, how many there are, and how many of them cover the short window. */
const SAMPLES: Readonly<Record<string, { interval: string; steps: number; over: number; at: string }>> = {
  '1h': { interval: '2m', steps: 45, over: 4, at: '90m' },
  '6h': { interval: '10m', steps: 48, over: 4, at: '8h' },
  '3d': { interval: '2h', steps: 40, over: 4, at: '80h' },
};

describe.each(OBJECTIVES)('H4 the budget of $name', ({ name, alert, budget }) => {
  const series = SERIES_OF_OBJECTIVE[name]!;

  test.each(BURNS)('burns $factor times as fast over $long, and then no more', ({ factor, long }) => {
    const { interval, steps, over, at } = SAMPLES[long]!;
    const selector = `alertname="${alert}",window="${long}"`;
    const expected = (isFiring: boolean, shares: readonly Share[]): Expectation => ({
      ...{ selector, isFiring, at, interval },
      series: series(shares),
    });
    expectAll('slo', [
      expected(true, [{ steps, share: budget * factor * 1.1 }]),
      expected(false, [{ steps, share: budget * factor * 0.9 }]),
      // The long window remembers; the short one has nothing to say any more.
      expected(false, [
        { steps: steps - over, share: Math.min(1, budget * factor * 2) },
        { steps: over, share: 0 },
      ]),
    ]);
  });
});
