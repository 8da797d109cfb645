import { formatId, uuidBytes } from '@posthorn/clock/id.js';
import { type Category, type Channel, type Command, type Sender } from '../domain/command.js';
import { type CommandState } from '../domain/command-state.js';

/** A stored command, as far as working on it needs it. */
export interface CommandRow {
  readonly tenant_id: string;
  readonly message_id: string;
  readonly shard: number;
  readonly source_id: string;
  readonly channel: Channel;
  readonly category: Category;
  readonly program: string;
  readonly campaign: string;
  readonly person_hash: Buffer;
  readonly conversation_id: string;
  readonly sender: Sender;
  readonly fencing_token: string;
  readonly answers_event_id: string | null;
  readonly rule_id: string | null;
  readonly trigger_event_id: string | null;
  readonly is_replay: boolean;
  readonly last_inbound_at: Date | null;
  readonly traceparent: string;
  readonly state: CommandState;
  readonly not_after: Date;
  readonly attempt_count: number;
  readonly lookup_count: number;
  readonly sent_at: Date | null;
  readonly created_at: Date;
}

const COLUMNS = [
  ...['tenant_id', 'message_id', 'shard', 'source_id', 'channel', 'category', 'program', 'campaign'],
  ...['person_hash', 'conversation_id', 'sender', 'fencing_token', 'answers_event_id', 'rule_id'],
  ...['trigger_event_id', 'is_replay', 'last_inbound_at', 'traceparent', 'state', 'not_after'],
  ...['attempt_count', 'lookup_count', 'sent_at', 'created_at'],
];

/** The columns of `CommandRow`. @param alias of the table. */
export const commandColumns = (alias: string): string =>
  COLUMNS.map((column) => `${alias}.${column}`).join(', ');

const NONE = Buffer.alloc(0);
const bytesOf = (uuid: string | null): Buffer => (uuid === null ? NONE : uuidBytes(uuid));
const msOf = (time: Date | null): number => time?.getTime() ?? 0;

/** @param leaseEpoch under which it is worked on. */
export function commandOf(row: CommandRow, leaseEpoch: bigint): Command {
  const messageId = uuidBytes(row.message_id);
  const sourceUuid = uuidBytes(row.source_id);
  return {
    key: messageId.toString('hex'),
    messageId,
    tenantId: uuidBytes(row.tenant_id),
    sourceUuid,
    sourceId: formatId('src', sourceUuid),
    shard: row.shard,
    leaseEpoch,
    channel: row.channel,
    category: row.category,
    program: row.program,
    campaign: row.campaign,
    personHash: row.person_hash,
    conversationId: uuidBytes(row.conversation_id),
    sender: row.sender,
    fencingToken: BigInt(row.fencing_token),
    answersEventId: bytesOf(row.answers_event_id),
    ruleId: bytesOf(row.rule_id),
    triggerEventId: bytesOf(row.trigger_event_id),
    isReplay: row.is_replay,
    lastInboundAtMs: msOf(row.last_inbound_at),
    traceparent: row.traceparent,
    state: row.state,
    notAfterMs: row.not_after.getTime(),
    attemptCount: row.attempt_count,
    lookupCount: row.lookup_count,
    sentAtMs: msOf(row.sent_at),
    createdAtMs: row.created_at.getTime(),
  };
}
