import { BatchInsert, type InsertColumn } from '@posthorn/postgres/batch-insert.js';
import { type CommandIdentity } from '../domain/command.js';
import { type CommandState } from '../domain/command-state.js';

/** New commands of one transaction. */
export const NEW_COMMANDS_MAX = 256;

/** A command that nothing is known of yet, with its sealed contents. */
export interface NewCommand extends CommandIdentity {
  readonly state: Extract<CommandState, 'accepted' | 'scheduled'>;
  readonly dueAtMs: number;
  readonly sealed: SealedContent;
}

/** Personal data of a command, sealed under one data key. */
export interface SealedContent {
  readonly dataKeyId: Buffer;
  readonly body: Buffer;
  /** What the log gets. */
  readonly eventContent: Buffer;
}

const columns = (type: string, ...names: readonly string[]): InsertColumn[] =>
  names.map((name) => ({ name, type }));

const orNull = (bytes: Buffer): Buffer | null => (bytes.length === 0 ? null : bytes);

/** Rows of `command`. */
export const INSERT_COMMANDS = new BatchInsert<NewCommand>({
  name: 'insert_command',
  into: 'dispatch.command',
  columns: [
    ...columns('uuid', 'tenant_id', 'message_id', 'source_id', 'conversation_id'),
    ...columns('uuid', 'answers_event_id', 'rule_id', 'trigger_event_id'),
    ...columns('text', 'channel', 'category', 'program', 'campaign', 'sender', 'traceparent', 'state'),
    ...columns('smallint', 'shard'),
    ...columns('bytea', 'person_hash'),
    ...columns('bigint', 'fencing_token'),
    ...columns('boolean', 'is_replay'),
    ...columns('timestamptz', 'last_inbound_at', 'state_changed_at', 'created_at', 'due_at', 'not_after'),
  ],
  rowsMax: NEW_COMMANDS_MAX,
});

/** In the order of the columns. */
export const commandValues = (command: NewCommand): unknown[] => [
  ...[command.tenantId, command.messageId, command.sourceUuid, command.conversationId],
  ...[command.answersEventId, command.ruleId, command.triggerEventId].map(orNull),
  ...[command.channel, command.category, command.program, command.campaign, command.sender],
  ...[command.traceparent, command.state, command.shard, command.personHash],
  ...[command.fencingToken, command.isReplay],
  command.lastInboundAtMs === 0 ? null : command.lastInboundAtMs,
  ...[command.createdAtMs, command.createdAtMs, command.dueAtMs, command.notAfterMs],
];

/** Rows of `command_content`. */
export const INSERT_CONTENTS = new BatchInsert<NewCommand>({
  name: 'insert_command_content',
  into: 'dispatch.command_content',
  columns: [
    ...columns('uuid', 'tenant_id', 'message_id', 'data_key_id'),
    ...columns('bytea', 'person_hash', 'body', 'event_content'),
  ],
  rowsMax: NEW_COMMANDS_MAX,
});

/** In the order of the columns. */
export const contentValues = ({ tenantId, messageId, personHash, sealed }: NewCommand): unknown[] => [
  ...[tenantId, messageId, sealed.dataKeyId],
  ...[personHash, sealed.body, sealed.eventContent],
];
