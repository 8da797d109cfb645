import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ruleFiles } from '@posthorn/monitoring/rules.js';
import { exitOf, freePort, stopChild, type StopStep } from '@posthorn/testing/child-server.js';
import { findProgram } from '@posthorn/testing/installed-program.js';
import { request } from 'undici';
import { waitFor } from '../wire/time.js';

const START_TIMEOUT_MS = 30_000;
/** What a Prometheus of the chart scrapes at, unscaled. */
const SCRAPE_INTERVAL_MS = 15_000;
const SCRAPE_INTERVAL_MS_MIN = 500;
const STOP: readonly StopStep[] = [
  { signal: 'SIGTERM', waitMs: 10_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

const PACKAGE = { package: 'prometheus', page: 'https://prometheus.io/download' };
const PROMETHEUS = { program: 'prometheus', ...PACKAGE };
/** Checks and tests rules; Prometheus' package brings it. */
export const PROMTOOL = { program: 'promtool', ...PACKAGE };

/** What is scraped, and by which clock the rules run. */
export interface PrometheusOptions {
  /** For its data, its rules and its log. */
  readonly directory: string;
  /** `job` becomes the label `service`, as in production; `address` is host:port of its /metrics. */
  readonly targets: readonly { readonly job: string; readonly address: string }[];
  /** What every range and wait of the rules is multiplied by: 1/60 makes an hour a minute. */
  readonly timeScale: number;
  /** A free one without it. */
  readonly port?: number;
  /** Without it a scrape every 15 s times the scale, at most two a second. */
  readonly scrapeIntervalMs?: number;
}

/** An alert that waits for its time, or has fired. */
export interface ActiveAlert {
  readonly name: string;
  readonly state: 'pending' | 'firing';
  readonly labels: Readonly<Record<string, string>>;
}

/** One series at one moment. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A running Prometheus of our own, with the shipped rules. */
export interface Prometheus {
  readonly url: string;
  alerts(): Promise<ActiveAlert[]>;
  /** An instant query; a scalar is one sample without labels. */
  query(expr: string): Promise<Sample[]>;
  /** Targets with their last error, empty while they are up. */
  targets(): Promise<{ job: string; isUp: boolean; error: string }[]>;
  /** Every rule with how its last evaluation went. */
  rules(): Promise<{ name: string; health: 'ok' | 'err' | 'unknown'; error: string }[]>;
  /** Names of all metrics that were scraped or recorded. */
  names(): Promise<string[]>;
  stop(): Promise<void>;
}

/**
 * Starts a Prometheus on 127.0.0.1 that scrapes the targets and evaluates the shipped rules, scaled in time.
 * @throws Error that names the command to install it, or with what it printed when it did not start.
 */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const { directory, timeScale } = options;
  const program = findProgram(PROMETHEUS);
  const port = options.port ?? (await freePort());
  await mkdir(join(directory, 'rules'), { recursive: true });
  const interval =
    options.scrapeIntervalMs ?? Math.max(SCRAPE_INTERVAL_MS_MIN, SCRAPE_INTERVAL_MS * timeScale);
  for (const [name, groups] of ruleFiles(timeScale))
    await writeFile(join(directory, 'rules', `${name}.yaml`), JSON.stringify({ groups }));
  const configFile = join(directory, 'prometheus.yaml');
  await writeFile(configFile, JSON.stringify(configuration(options, `${Math.round(interval)}ms`)));
  const logFile = join(directory, 'prometheus.log');
  const log = openSync(logFile, 'a');
  const args = [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = spawn(program, args, { stdio: ['ignore', log, log] });
  closeSync(log);
  const exited = exitOf(child);
  const url = `http://127.0.0.1:${port}`;
  const isReady = async (): Promise<true | undefined> => {
    if (child.exitCode !== null) throw new Error(`prometheus ended:\n${await readFile(logFile, 'utf8')}`);
    const answer = await request(`${url}/-/ready`).catch(() => undefined);
    await answer?.body.dump();
    return answer?.statusCode === 200 ? true : undefined;
  };
  const stop = (): Promise<void> => stopChild(child, exited, STOP);
  try {
    await waitFor('Prometheus starts', isReady, { timeoutMs: START_TIMEOUT_MS });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, ...questions(url), stop };
}

function configuration({ targets }: PrometheusOptions, interval: string): object {
  return {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: ['rules/*.yaml'],
    scrape_configs: [
      {
        job_name: 'posthorn',
        static_configs: targets.map(({ job, address }) => ({ targets: [address], labels: { service: job } })),
      },
    ],
  };
}

interface Answer<T> {
  readonly status: string;
  readonly error?: string;
  readonly data: T;
}

async function ask<T>(url: string): Promise<T> {
  const { body } = await request(url);
  const answer = (await body.json()) as Answer<T>;
  if (answer.status !== 'success') throw new Error(`${url}: ${answer.error}`);
  return answer.data;
}

interface ListedAlert {
  readonly state: ActiveAlert['state'];
  readonly labels: Readonly<Record<string, string>>;
}
interface ListedTarget {
  readonly labels: Readonly<Record<string, string>>;
  readonly health: string;
  readonly lastError: string;
}
interface ListedRule {
  readonly name: string;
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError?: string;
}
type Value = readonly [number, string];
type QueryResult =
  | { readonly resultType: 'scalar'; readonly result: Value }
  | {
      readonly resultType: 'vector';
      readonly result: readonly {
        readonly metric: Readonly<Record<string, string>>;
        readonly value: Value;
      }[];
    };

function questions(url: string): Omit<Prometheus, 'url' | 'stop'> {
  return {
    async alerts() {
      const { alerts } = await ask<{ alerts: readonly ListedAlert[] }>(`${url}/api/v1/alerts`);
      return alerts.map(({ state, labels }) => ({ name: labels['alertname']!, state, labels }));
    },
    async query(expr) {
      const found = await ask<QueryResult>(`${url}/api/v1/query?${new URLSearchParams({ query: expr })}`);
      if (found.resultType === 'scalar') return [{ labels: {}, value: Number(found.result[1]) }];
      return found.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    async rules() {
      const { groups } = await ask<{ groups: readonly { readonly rules: readonly ListedRule[] }[] }>(
        `${url}/api/v1/rules`,
      );
      return groups.flatMap(({ rules }) =>
        rules.map(({ name, health, lastError = '' }) => ({ name, health, error: lastError })),
      );
    },
    names: () => ask<string[]>(`${url}/api/v1/label/__name__/values`),
    async targets() {
      const { activeTargets } = await ask<{ activeTargets: readonly ListedTarget[] }>(
        `${url}/api/v1/targets?state=active`,
      );
      return activeTargets.map(({ labels, health, lastError }) => ({
        job: labels['service']!,
        isUp: health === 'up',
        error: lastError,
      }));
    },
  };
}
