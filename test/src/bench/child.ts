import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A program of the bench in a process of its own, so that its CPU time can be told apart. */
export class BenchChild<Command extends object, Answer> {
  private constructor(
    private readonly child: ChildProcess,
    private readonly ended: Promise<never>,
  ) {}

  /** @param program file beside this one, such as `sink.main.js`. */
  static async start<Command extends object, Answer>(
    program: string,
    args: readonly string[] = [],
  ): Promise<BenchChild<Command, Answer>> {
    const child = fork(fileURLToPath(new URL(program, import.meta.url)), args, {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const ended = exitOf(child, program);
    ended.catch(() => undefined);
    const [first] = (await Promise.race([once(child, 'message'), ended])) as [unknown];
    if (first !== 'ready') throw new Error(`${program} did not start: ${JSON.stringify(first)}`);
    return new BenchChild<Command, Answer>(child, ended);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Sends a command and waits for its answer; one at a time. */
  async ask(command: Command): Promise<Answer> {
    const answer = Promise.race([once(this.child, 'message'), this.ended]);
    this.child.send(command);
    return ((await answer) as [Answer])[0];
  }

  /** Sends a command that has no answer. */
  tell(command: Command): void {
    this.child.send(command);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

async function exitOf(child: ChildProcess, what: string): Promise<never> {
  await once(child, 'exit');
  throw new Error(`${what} ended`);
}

/** The child's side: answers each command, in order. */
export function serve<Command, Answer>(
  handle: (command: Command) => Promise<Answer | void> | Answer | void,
): void {
  process.on('message', (command: Command) => {
    void Promise.resolve(handle(command)).then(
      (answer) => answer !== undefined && process.send!(answer),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  process.on('disconnect', () => process.exit(0));
  process.send!('ready');
}
