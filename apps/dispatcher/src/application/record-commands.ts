import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { type CommandChange } from '../domain/command-change.js';
import { isEnded } from '../domain/command-state.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import { CHANGES_MAX, type CommandStore } from '../persistence/command.store.js';
import type { OutgoingEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { CommandMetrics } from './command-metrics.js';
import type { RelayWake } from './relay-wake.js';

const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2_000;

interface Waiting {
  readonly change: CommandChange;
  /** An intent is tried once: whoever waits for it has a permit that runs out. */
  readonly isIntent: boolean;
  readonly resolve: (isApplied: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits what becomes of commands: one transaction at a time takes all that waits, so that batches grow with
 * the load. A change counts only if the command is still where the change expects it: not the lease but this
 * condition keeps two processes from sending the same command.
 */
export class RecordCommands {
  private waiting: Waiting[] = [];
  private running: Promise<void> | undefined;
  private isStopped = false;
  private failures = 0;

  constructor(
    private readonly db: Pick<WorkerDatabase, 'transaction'>,
    private readonly store: Pick<CommandStore, 'apply'>,
    private readonly outgoing: Pick<OutgoingStore, 'add'>,
    private readonly wake: Pick<RelayWake, 'committed'>,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly metrics: CommandMetrics,
  ) {}

  /**
   * An intent, before its act.
   * @returns whether it counts. @throws AppError `store.unavailable`: it may count, or not.
   */
  begin(change: CommandChange): Promise<boolean> {
    return this.add(change, true);
  }

  /** What is so whatever happens; tried until the store takes it. @returns whether the command moved by it. */
  settle(change: CommandChange): Promise<boolean> {
    return this.add(change, false);
  }

  /** Within a transaction of the caller's, as its last statements. @returns what counts. */
  async write(tx: Tx, changes: readonly CommandChange[]): Promise<CommandChange[]> {
    const nowMs = this.clock.nowMs();
    const applied = await this.store.apply(tx, changes, nowMs);
    const told = applied.filter(({ to, command }) => to !== command.state);
    await this.outgoing.add(tx, told.map(outgoingOf), nowMs);
    return applied;
  }

  /** Called after the commit of `write`. */
  committed(applied: readonly CommandChange[]): void {
    if (applied.length === 0) return;
    this.wake.committed();
    for (const change of applied) this.report(change);
  }

  /** Resolves when nothing waits. */
  async flush(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  /** Gives up what the store does not take: after a restart such a command is indeterminate. */
  stop(): void {
    this.isStopped = true;
  }

  private add(change: CommandChange, isIntent: boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ change, isIntent, resolve, reject });
      this.running ??= this.run();
    });
  }

  private async run(): Promise<void> {
    // What settles in the same turn goes into the same transaction.
    await Promise.resolve();
    while (this.waiting.length > 0 && !this.isStopped) await this.commit(this.waiting.splice(0, CHANGES_MAX));
    for (const { reject } of this.waiting.splice(0)) reject(new AppError('service.unavailable'));
    this.running = undefined;
  }

  private async commit(batch: readonly Waiting[]): Promise<void> {
    let applied: CommandChange[];
    try {
      applied = await this.db.transaction((tx) =>
        this.write(
          tx,
          batch.map(({ change }) => change),
        ),
      );
      this.failures = 0;
    } catch (error) {
      return this.onFailure(error, batch);
    }
    const isApplied = new Set(applied);
    this.committed(applied);
    for (const { change, resolve } of batch) resolve(isApplied.has(change));
  }

  private async onFailure(error: unknown, batch: readonly Waiting[]): Promise<void> {
    for (const { reject } of batch.filter(({ isIntent }) => isIntent)) reject(error);
    const rest = batch.filter(({ isIntent }) => !isIntent);
    if (rest.length === 0) return;
    if (error instanceof AppError && error.entry.retryable) {
      if (this.failures++ === 0)
        this.log.warn({ code: error.code, err: error }, 'commands not committed; trying again');
      const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.failures, 10));
      await new Promise((done) => setTimeout(done, ceilingMs * (0.5 + Math.random() / 2)));
      this.waiting.unshift(...rest);
      return;
    }
    if (rest.length > 1) {
      const half = Math.ceil(rest.length / 2);
      await this.commit(rest.slice(0, half));
      return this.commit(rest.slice(half));
    }
    this.log.error(
      { err: error, stage: 'command', ...fieldsOf(rest[0]!.change) },
      'a change cannot be stored',
    );
    rest[0]!.reject(error);
  }

  private report(change: CommandChange): void {
    const { to, command, attempt, errorCode, decision } = change;
    if (attempt !== undefined && attempt.outcome !== 'sending')
      this.metrics.onAttempt(attempt.outcome, attempt.durationMs);
    if (to === command.state) return;
    this.metrics.onState(to);
    if (to === 'sending') this.metrics.onSendBegun(command, this.clock.nowMs());
    if (to === 'sent') this.metrics.onSent(this.clock.nowMs() - command.createdAtMs);
    const fields = { stage: 'command', ...fieldsOf(change), code: errorCode, reason: decision?.rule };
    if (to === 'indeterminate') this.log.warn(fields, 'nobody knows what became of a message');
    else if (isEnded(to)) this.log.info(fields, 'a command ended');
    else this.log.debug(fields, 'a command moved');
  }
}

const fieldsOf = ({ command, to, attemptCount }: CommandChange) => ({
  tenantId: formatId('ten', command.tenantId),
  messageId: formatId('msg', command.messageId),
  sourceId: command.sourceId,
  state: to,
  attempt: attemptCount,
});

const outgoingOf = ({ command, to, decision, ...change }: CommandChange): OutgoingEvent => ({
  command,
  status: to,
  providerMessageId: change.providerMessageId,
  errorCode: change.errorCode,
  signal: change.signal,
  note: decision?.rule ?? change.detail,
  hasContent: false,
});
