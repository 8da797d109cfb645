import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import type { AuditAct, AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { Batcher } from '@posthorn/postgres/batcher.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { type NewCommand, NEW_COMMANDS_MAX } from '../persistence/command.inserts.js';
import type { CommandKey, CommandKeyStore, KnownKey } from '../persistence/command-key.store.js';
import type { CommandStore } from '../persistence/command.store.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { OutgoingEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { CommandMetrics } from './command-metrics.js';
import { COMMANDS_WAKE } from './load-due.js';
import type { RelayWake } from './relay-wake.js';

const BATCH_BYTES_MAX = 8 * 1024 * 1024;
const WAITING_MAX = 2_000;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

/** A command to be stored, and what makes another request the same. */
export interface NewMessage {
  readonly command: NewCommand;
  readonly key: CommandKey | undefined;
  readonly by: AuditActor | undefined;
}

/** Which command a request made, or had made before. */
export interface MadeMessage {
  readonly messageId: Buffer;
  readonly isRepeated: boolean;
}

/**
 * Stores new commands, in one transaction what comes at the same time: keys, commands, sealed contents, what the
 * log is told, and what the audit log is.
 * Why: the numbers of the log have no gaps, so that whoever takes one keeps all others from it until the commit.
 */
export class CommitMessages {
  private readonly batcher = new Batcher<NewMessage, KnownKey | undefined>(
    (messages) => this.commit(messages),
    {
      ...{ itemsMax: NEW_COMMANDS_MAX, lanesMax: 1, bytesMax: BATCH_BYTES_MAX },
      ...{ waitingMax: WAITING_MAX, waitingBytesMax: WAITING_BYTES_MAX },
    },
  );

  constructor(
    private readonly db: Pick<WorkerDatabase, 'transaction' | 'query'>,
    private readonly commands: Pick<CommandStore, 'insert'>,
    private readonly keys: Pick<CommandKeyStore, 'take' | 'find'>,
    private readonly outgoing: Pick<OutgoingStore, 'add'>,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly wake: Pick<RelayWake, 'committed'>,
    private readonly link: Pick<NatsLink, 'publish'>,
    private readonly clock: Clock,
    private readonly metrics: Pick<CommandMetrics, 'onState' | 'setUncommitted'>,
  ) {}

  /**
   * @throws AppError `idempotency.conflict` when the key was used with another body; `store.overloaded`,
   * `store.unavailable`.
   */
  async add(message: NewMessage): Promise<MadeMessage> {
    const { command, key } = message;
    const added = this.batcher.add(message, command.sealed.body.length + command.sealed.eventContent.length);
    this.metrics.setUncommitted(this.batcher.waitingCount);
    const known = await added;
    if (known === undefined) return { messageId: command.messageId, isRepeated: false };
    // A rule sends once for its event, whatever it would say now.
    if (key?.kind === 'idempotency' && !known.bodyHash.equals(key.bodyHash))
      throw new AppError('idempotency.conflict');
    return { messageId: known.messageId, isRepeated: true };
  }

  /** @returns the message that was made for this key and the same body. */
  async find(tenantId: Buffer, key: CommandKey): Promise<Buffer | undefined> {
    const known = await this.keys.find(this.db, tenantId, key, this.clock.nowMs());
    return known?.bodyHash.equals(key.bodyHash) === true ? known.messageId : undefined;
  }

  /** @returns for each what its key stands for already; undefined when the command was made. */
  private async commit(messages: readonly NewMessage[]): Promise<(KnownKey | undefined)[]> {
    this.metrics.setUncommitted(this.batcher.waitingCount);
    const nowMs = this.clock.nowMs();
    const known = await this.db.transaction(async (tx) => {
      const earlier = await this.takeKeys(tx, messages, nowMs);
      const made = madeOf(messages, earlier);
      if (made.length === 0) return earlier;
      const commands = made.map(({ command }) => command);
      await this.commands.insert(tx, commands);
      await this.outgoing.add(tx, commands.flatMap(eventsOf), nowMs);
      await this.audit.add(tx, made.flatMap(actsOf));
      return earlier;
    });
    const made = madeOf(messages, known);
    for (const { command } of made) this.metrics.onState(command.state);
    if (made.length > 0) {
      this.wake.committed();
      this.link.publish(COMMANDS_WAKE);
    }
    return known;
  }

  private async takeKeys(
    tx: Tx,
    messages: readonly NewMessage[],
    nowMs: number,
  ): Promise<(KnownKey | undefined)[]> {
    const claims = messages.flatMap(({ command: { tenantId, messageId }, key }) =>
      key === undefined ? [] : [{ tenantId, messageId, key }],
    );
    const known = (await this.keys.take(tx, claims, nowMs)).values();
    return messages.map(({ command, key }) => {
      if (key === undefined) return undefined;
      const owner = known.next().value!;
      return owner.messageId.equals(command.messageId) ? undefined : owner;
    });
  }
}

const madeOf = (
  messages: readonly NewMessage[],
  known: readonly (KnownKey | undefined)[],
): readonly NewMessage[] => messages.filter((_, index) => known[index] === undefined);

/**
 * A tenant's own sends are its daily business: the log has an event of each, with who asked. That an operator sends in a
 * tenant's name is another thing.
 */
function actsOf({ command, by }: NewMessage): AuditAct[] {
  if (by?.kind !== 'operator') return [];
  const { tenantId, messageId, sourceUuid, personHash, channel, category, sender, state } = command;
  const ids = { sourceId: formatId('src', sourceUuid), personId: formatId('per', personHash) };
  const act = { action: 'message.created', target: formatId('msg', messageId) };
  const detail = { after: { ...ids, channel, category, sender, state } };
  return [{ tenantId: uuidText(tenantId), actor: by, ...act, detail }];
}

/** The log learns of every command by `accepted`, with its content; of a scheduled one also until when it waits. */
function eventsOf(command: NewCommand): OutgoingEvent[] {
  const nothing = { providerMessageId: '', errorCode: '', signal: '', note: '', hasContent: false } as const;
  const accepted = { ...nothing, command, status: 'accepted', hasContent: true } as const;
  if (command.state === 'accepted') return [accepted];
  const note = `not before ${new Date(command.dueAtMs).toISOString()}`;
  return [accepted, { ...nothing, command, status: 'scheduled', note }];
}
