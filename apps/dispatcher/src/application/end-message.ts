import { AppError } from '@posthorn/errors/app-error.js';
import { idOfUuid, uuidBytes } from '@posthorn/clock/id.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { type Command } from '../domain/command.js';
import { type CommandChange, moveOf } from '../domain/command-change.js';
import { canBecome } from '../domain/command-state.js';
import type { CommandStore } from '../persistence/command.store.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { RecordCommands } from './record-commands.js';

/** What a person says of a message whose outcome nobody else can tell. */
export interface Resolution {
  readonly outcome: 'sent' | 'failed';
  /** Empty = not known. */
  readonly providerMessageId: string;
  readonly actorId: string;
  readonly by: AuditActor;
  readonly reason: string;
}

interface EndAct {
  readonly action: string;
  readonly refusal: 'message.not_cancelable' | 'message.not_indeterminate';
  readonly by: AuditActor;
}

/** Ends a command because a person says so. */
export class EndMessage {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'transaction'>,
    private readonly store: Pick<CommandStore, 'find'>,
    private readonly record: Pick<RecordCommands, 'write' | 'committed'>,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
  ) {}

  /**
   * Before it left.
   * @throws AppError `message.not_found`, `message.not_cancelable` once it may have left, or ended.
   */
  async cancel(tenantUuid: string, messageUuid: string, actorId: string, by: AuditActor): Promise<void> {
    const act = { action: 'message.canceled', refusal: 'message.not_cancelable', by } as const;
    await this.change(tenantUuid, messageUuid, act, (command) =>
      canBecome(command.state, 'canceled')
        ? moveOf(command, 'canceled', { detail: `canceled by ${actorId}` })
        : undefined,
    );
  }

  /** @throws AppError `message.not_found`, `message.not_indeterminate` */
  async resolve(tenantUuid: string, messageUuid: string, resolution: Resolution): Promise<void> {
    const { outcome, providerMessageId, actorId, reason } = resolution;
    const detail = `${outcome} says ${actorId}: ${reason}`;
    const act = {
      action: 'message.resolved',
      refusal: 'message.not_indeterminate',
      by: resolution.by,
    } as const;
    await this.change(tenantUuid, messageUuid, act, (command) => {
      if (command.state !== 'indeterminate') return undefined;
      const attempt = {
        ...{ number: command.attemptCount, permitId: '', startedAtMs: command.sentAtMs, durationMs: 0 },
        ...({ outcome: outcome === 'sent' ? 'sent' : 'not_sent', errorCode: '', detail } as const),
      };
      return moveOf(command, outcome, { providerMessageId, detail, attempt });
    });
  }

  private async change(
    tenantUuid: string,
    messageUuid: string,
    { action, refusal, by }: EndAct,
    changeOf: (command: Command) => CommandChange | undefined,
  ): Promise<void> {
    const key = { tenantId: uuidBytes(tenantUuid), messageId: uuidBytes(messageUuid) };
    const applied = await this.db.transaction(async (tx) => {
      const command = await this.store.find(tx, key);
      if (command === undefined) throw new AppError('message.not_found');
      const change = changeOf(command);
      if (change === undefined) throw new AppError(refusal, { detail: `it is ${command.state}` });
      const written = await this.record.write(tx, [change]);
      const detail = { before: { state: command.state }, after: { state: change.to } };
      const act = { action, target: idOfUuid('msg', messageUuid), detail };
      await this.audit.add(tx, written.length === 0 ? [] : [{ tenantId: tenantUuid, actor: by, ...act }]);
      return written;
    });
    this.record.committed(applied);
  }
}
