import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';

const RESTART_DELAY_MS = 200;
const QUICK_EXIT_MS = 5_000;
const QUICK_EXITS_MAX = 5;
const STOP_TIMEOUT_MS = 15_000;

/** How to run one service. */
export interface SupervisedOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Told of every new process, and of the service giving up (pid undefined). */
  readonly onProcess: (name: string, pid: number | undefined) => void;
}

/** One service process that is started again when it dies, until it is stopped. */
export class Supervised {
  private child: ChildProcess | undefined;
  private isStopping = false;
  private quickExits = 0;
  private readonly log: WriteStream;

  constructor(private readonly options: SupervisedOptions) {
    this.log = createWriteStream(options.logFile, { flags: 'a' });
  }

  get name(): string {
    return this.options.name;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get hasGivenUp(): boolean {
    return this.quickExits > QUICK_EXITS_MAX;
  }

  start(): void {
    const startedAt = performance.now();
    // A group of its own: Ctrl-C at the terminal reaches the platform only, which stops the parts in order.
    const child = spawn(process.execPath, ['--enable-source-maps', ...this.options.args], {
      env: this.options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.child = child;
    child.stdout.pipe(this.log, { end: false });
    child.stderr.pipe(this.log, { end: false });
    child.on('exit', (code) => {
      this.child = undefined;
      if (this.isStopping) return;
      // A kill from outside (code null) is no reason to give up; a service that ends by itself at once is.
      if (code !== null)
        this.quickExits = performance.now() - startedAt < QUICK_EXIT_MS ? this.quickExits + 1 : 0;
      if (this.hasGivenUp) this.options.onProcess(this.name, undefined);
      else setTimeout(() => !this.isStopping && this.start(), RESTART_DELAY_MS);
    });
    this.options.onProcess(this.name, child.pid);
  }

  /** Asks it to drain, waits, and kills it when it takes too long. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const child = this.child;
    if (child !== undefined) {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    }
    this.log.end();
  }
}
