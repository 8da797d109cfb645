import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../wire/time.js';
import { AdminClient } from './admin-client.js';

const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 60_000;
const OUTPUT_CHARS_MAX = 20_000;
const INGRESS_PROCESSES = 2;

/** The clone this file is in: test/src and test/dist are equally deep. */
export const ROOT = resolve(fileURLToPath(import.meta.url), '../../../..');

/** What `npm start` writes when it is ready. */
export interface LocalFile {
  readonly apiUrl: string;
  readonly ingressUrl: string;
  readonly operatorKey: string;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly kekFile: string;
  readonly healthUrls: Readonly<Record<string, string>>;
  readonly pids: Readonly<Record<string, number>>;
  /** Whose code each service runs. */
  readonly roots: Readonly<Record<string, string>>;
}

export interface PlatformOptions {
  readonly portOffset: number;
  /** Kept data of an earlier start; else a new folder. */
  readonly dataDir?: string;
  /** `service.NAME=value`. */
  readonly serviceEnv?: readonly string[];
  /** Two, unless it is to be what `npm start` would choose: what processes of ingress share is under test everywhere. */
  readonly ingressProcesses?: 'default';
}

/** The whole platform, started as a user would start it, in a data folder of its own. */
export class RunningPlatform {
  private output = '';

  private constructor(
    /** Absent: somebody else's, and theirs to stop. */
    private readonly child: ChildProcess | undefined,
    readonly dataDir: string,
  ) {
    for (const stream of [child?.stdout, child?.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
      });
  }

  /** @throws Error with what the platform printed when it does not come up. */
  static async start(options: PlatformOptions): Promise<RunningPlatform> {
    const { portOffset, dataDir, serviceEnv = [], ingressProcesses } = options;
    const data = dataDir ?? (await mkdtemp(join(tmpdir(), 'posthorn-test-')));
    const args = ['--no-demo', '--data', data, '--port-offset', String(portOffset)];
    if (ingressProcesses === undefined) args.push('--ingress-processes', String(INGRESS_PROCESSES));
    args.push(...serviceEnv.flatMap((each) => ['--service-env', each]));
    const main = join(ROOT, 'deploy/local/dist/main.js');
    const env = { ...process.env, DATABASE_URL: '', NATS_URL: '' };
    const child = spawn(process.execPath, [main, ...args], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const platform = new RunningPlatform(child, data);
    const isUp = (): true | undefined => {
      if (child.exitCode !== null) throw new Error(`the platform ended:\n${platform.output}`);
      // Not the file: another platform's may lie in the folder.
      return platform.output.includes('Posthorn is up') ? true : undefined;
    };
    try {
      await waitFor('the platform starts', isUp, { timeoutMs: START_TIMEOUT_MS });
    } catch (error) {
      await platform.stop();
      throw error;
    }
    return platform;
  }

  /** One that runs already and is not ours to stop. */
  static ofRun(dataDir: string): RunningPlatform {
    return new RunningPlatform(undefined, dataDir);
  }

  /** As it is now: PIDs change when something is killed. */
  get local(): LocalFile {
    return JSON.parse(readFileSync(join(this.dataDir, 'local.json'), 'utf8')) as LocalFile;
  }

  get admin(): AdminClient {
    const { apiUrl, operatorKey } = this.local;
    return new AdminClient(apiUrl, operatorKey);
  }

  get printed(): string {
    return this.output;
  }

  /** Waits until every service says that it is ready. */
  async untilReady(timeoutMs: number): Promise<void> {
    const urls = Object.entries(this.local.healthUrls);
    const notReady = async (): Promise<string[]> => {
      const answers = await Promise.all(urls.map(([, url]) => isReady(url)));
      return urls.filter((_url, at) => !answers[at]).map(([name]) => name);
    };
    let missing: string[] = [];
    const check = async (): Promise<true | undefined> => {
      missing = await notReady();
      return missing.length === 0 ? true : undefined;
    };
    await waitFor('services are ready', check, { timeoutMs }).catch(() => {
      throw new Error(`not ready after ${timeoutMs / 1000} s: ${missing.join(', ')}`);
    });
  }

  /** Stops it as Ctrl-C would; one that others use goes on. */
  async stop(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise<void>((done) => child.once('exit', () => done()));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(late);
  }

  async removeData(): Promise<void> {
    if (this.child !== undefined) await rm(this.dataDir, { recursive: true, force: true });
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}
