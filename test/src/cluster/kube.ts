import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../house/running-platform.js';
import { monotonicMs, pause } from '../wire/time.js';

const COMMAND_TIMEOUT_MS = 900_000;
const OUTPUT_CHARS_MAX = 64 * 1024 * 1024;
const FORWARD_TIMEOUT_MS = 30_000;
const POLL_MS = 500;

/** What is read of an object. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  // Each kind has its own; whoever asks knows which.
  readonly spec?: any; // eslint-disable-line @typescript-eslint/no-explicit-any
  readonly status?: any; // eslint-disable-line @typescript-eslint/no-explicit-any
  readonly data?: Readonly<Record<string, string>>;
}

/** A command that failed, with all that it said. */
export class CommandError extends Error {
  constructor(
    command: string,
    readonly output: string,
  ) {
    super(`${command}\n${output}`);
  }
}

/** One namespace of the cluster that KUBECONFIG names, by kubectl and the pinned helm. */
export class Kube {
  constructor(readonly namespace: string) {}

  /** @returns what it printed. @throws CommandError. */
  kubectl(args: readonly string[], input = ''): Promise<string> {
    return run('kubectl', ['--namespace', this.namespace, ...args], input);
  }

  async helm(args: readonly string[]): Promise<string> {
    return run(await findHelm(), ['--namespace', this.namespace, ...args]);
  }

  async apply(object: object): Promise<void> {
    await this.kubectl(['apply', '--filename', '-'], JSON.stringify(object));
  }

  async get(kind: string, name: string): Promise<KubeObject> {
    return JSON.parse(await this.kubectl(['get', kind, name, '--output', 'json'])) as KubeObject;
  }

  async list(kind: string, labels: Readonly<Record<string, string>> = {}): Promise<KubeObject[]> {
    const selector = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
    const text = await this.kubectl(['get', kind, '--selector', selector.join(), '--output', 'json']);
    return (JSON.parse(text) as { items: KubeObject[] }).items;
  }

  /** The pods of one component that are ready and not on their way out. */
  async readyPods(component: string): Promise<KubeObject[]> {
    const pods = await this.list('pods', { 'app.kubernetes.io/component': component });
    return pods.filter(isReady);
  }

  /** One key of a Secret, as text. */
  async secret(name: string, key: string): Promise<string> {
    const { data } = await this.get('secret', name);
    return Buffer.from(data![key]!, 'base64').toString();
  }

  /** Ends a pod as the loss of its node would: no sleep, no drain. */
  async killPod(name: string): Promise<void> {
    await this.kubectl(['delete', 'pod', name, '--grace-period=0', '--force', '--wait=false']);
  }

  /** Asks that a pod be evicted. @returns false when its budget refuses for now. */
  async evict(name: string): Promise<boolean> {
    const metadata = { name, namespace: this.namespace };
    const path = `/api/v1/namespaces/${this.namespace}/pods/${name}/eviction`;
    try {
      await this.kubectl(
        ['create', '--raw', path, '--filename', '-'],
        JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata }),
      );
      return true;
    } catch (error) {
      if (error instanceof CommandError && error.output.includes('disruption budget')) return false;
      throw error;
    }
  }

  /** A way to a port of a Service, or of a pod, from this machine. */
  async forward(target: string, port: number): Promise<{ port: number; stop: () => void }> {
    const args = ['--namespace', this.namespace, 'port-forward', target, `:${port}`];
    const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    child.once('close', () => running.delete(child));
    const output = gather(child);
    for (const deadline = monotonicMs() + FORWARD_TIMEOUT_MS; ; await pause(POLL_MS)) {
      const found = /127\.0\.0\.1:(\d+)/.exec(output())?.[1];
      if (found !== undefined) return { port: Number(found), stop: () => void child.kill() };
      if (child.exitCode !== null || monotonicMs() > deadline) {
        child.kill();
        throw new CommandError(`kubectl ${args.join(' ')}`, output());
      }
    }
  }
}

/** Whether a pod serves and stays. */
export const isReady = ({ metadata, status }: KubeObject): boolean =>
  metadata.deletionTimestamp === undefined &&
  ((status?.conditions ?? []) as { type: string; status: string }[]).some(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  );

let helm: Promise<string> | undefined;

/** The pinned helm itself: a process between would leave it running when it is killed. */
function findHelm(): Promise<string> {
  const script = `import { ensureHelm } from ${JSON.stringify(join(ROOT, 'tools/helm.mjs'))}; console.log(ensureHelm());`;
  helm ??= run(process.execPath, ['--input-type=module', '--eval', script]).then((path) => path.trim());
  return helm;
}

/** A helm that outlives this process would go on changing the release, and write it down over that of the next run. */
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill()));

/** Runs a command to its end. @returns what it wrote to its output. @throws CommandError when it fails or takes too long. */
export async function run(command: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: COMMAND_TIMEOUT_MS });
  running.add(child);
  child.stdin.on('error', () => undefined); // it may have ended without reading
  child.stdin.end(input);
  let written = '';
  child.stdout.on(
    'data',
    (chunk: Buffer) => (written = (written + chunk.toString()).slice(-OUTPUT_CHARS_MAX)),
  );
  const output = gather(child);
  const code = await new Promise<number | string | null>((done) => {
    child.once('error', (error) => done(error.message));
    child.once('close', (exit, signal) => done(exit ?? signal));
  });
  running.delete(child);
  if (code === 0) return written;
  throw new CommandError(`${command} ${args.join(' ')}: ${code}`, output());
}

function gather(child: ChildProcess): () => string {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream!.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX)));
  return () => output;
}
