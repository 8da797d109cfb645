import { uuidText } from '@posthorn/clock/id.js';
import type { ShardFacts } from '@posthorn/jetstream/fact-feed.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { type Command } from '../domain/command.js';
import { type CommandChange, moveOf } from '../domain/command-change.js';
import { OPEN_OUTCOME_STATES } from '../domain/command-state.js';
import { type DeliverableFact } from '../domain/delivery.js';
import type { CommandStore } from '../persistence/command.store.js';
import type { RecordCommands } from './record-commands.js';

/** Of facts that follow from what our own services told the log: that we wait is no proof that anything arrived. */
const OUR_SERVICES: ReadonlySet<string> = new Set(['dispatcher', 'events']);
/** Messages whose outcome is open that are compared in memory; more are looked up one by one. */
const OPEN_MAX = 1_024;

/** What a provider says of a message shows that it has it: its outcome is known, whoever waits for it. */
export class ResolveByFacts {
  constructor(
    private readonly store: Pick<CommandStore, 'lock' | 'openMessages'>,
    private readonly record: Pick<RecordCommands, 'write' | 'committed'>,
  ) {}

  /** Whether somebody speaks of a message whose outcome may be open. A message is `sending` before it is on the wire. */
  async isReported(db: Pick<Tx, 'query'>, batch: readonly ShardFacts[]): Promise<boolean> {
    return (await this.withoutKnown(db, reportsOf(batch))).size > 0;
  }

  /** The last statements of the transaction that moves the positions. @returns what to announce after the commit. */
  async apply(tx: Tx, batch: readonly ShardFacts[]): Promise<CommandChange[]> {
    const reports = await this.withoutKnown(tx, reportsOf(batch));
    if (reports.size === 0) return [];
    const open = (await this.store.lock(tx, [...reports.values()], OPEN_OUTCOME_STATES)).filter(
      // The source's owner is authenticated: nobody else may speak of its messages.
      ({ key, sourceUuid }) => reports.get(key)!.sourceId.equals(sourceUuid),
    );
    if (open.length === 0) return [];
    return this.record.write(
      tx,
      open.map((command) => reportedOf(command, reports.get(command.key)!)),
    );
  }

  announce(applied: readonly CommandChange[]): void {
    this.record.committed(applied);
  }

  /** Nearly all reports are of messages whose outcome is known: they cost no look at their rows. */
  private async withoutKnown(
    tx: Pick<Tx, 'query'>,
    reports: Map<string, DeliverableFact>,
  ): Promise<Map<string, DeliverableFact>> {
    if (reports.size === 0) return reports;
    const open = await this.store.openMessages(tx, OPEN_MAX);
    if (open === undefined) return reports;
    return new Map([...reports].filter(([, { messageId }]) => open.has(uuidText(messageId))));
  }
}

/** By the key of the message that each is about. */
function reportsOf(batch: readonly ShardFacts[]): Map<string, DeliverableFact> {
  const reports = new Map<string, DeliverableFact>();
  for (const { facts } of batch)
    for (const fact of facts) if (isReport(fact)) reports.set(fact.messageId.toString('hex'), fact);
  return reports;
}

/**
 * Whether somebody else than us speaks of a message: by the provider's ID, or by our reference alone, which only who
 * got the message can know (of a push, the app).
 * Why not what is unverified: a forged report would end the wait for the true one.
 */
const isReport = ({ type, provider, messageId, unverified }: DeliverableFact): boolean =>
  messageId.length > 0 && !OUR_SERVICES.has(provider) && type.startsWith('message.') && unverified !== true;

function reportedOf(command: Command, { providerMessageId, state }: DeliverableFact): CommandChange {
  const detail = `reported ${state} by ${providerMessageId === '' ? 'its receiver' : 'the provider'}`;
  const attempt = {
    ...{ number: command.attemptCount, permitId: '', startedAtMs: command.sentAtMs, durationMs: 0 },
    ...({ outcome: 'sent', errorCode: '', detail } as const),
  };
  return moveOf(command, 'sent', { providerMessageId, detail, attempt });
}
