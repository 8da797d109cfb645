import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { decodeCursor, encodeCursor } from '@posthorn/postgres/cursor.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { type Category, type Channel, type Sender } from '../domain/command.js';
import { type AttemptOutcome } from '../domain/command-change.js';
import { type CommandState } from '../domain/command-state.js';
import { type CommandAttemptView, type CommandView } from '../domain/command-view.js';
import type { ReaderDatabase } from './databases.js';
import { firstUuidOf } from './delivery.read.js';

/** What to list; undefined = any. Times in Unix milliseconds, of the acceptance; `toMs` does not belong to it. */
export interface CommandFilter {
  readonly state: CommandState | undefined;
  readonly sourceUuid: string | undefined;
  readonly campaign: string | undefined;
  /** Any of them; a person has one for each linked address. */
  readonly personHashes: readonly Buffer[] | undefined;
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
}

/** One page, newest first. */
export interface CommandPage {
  readonly commands: CommandView[];
  readonly nextCursor: string;
}

interface ViewRow {
  readonly message_id: string;
  readonly source_id: string;
  readonly channel: Channel;
  readonly category: Category;
  readonly campaign: string;
  readonly state: CommandState;
  readonly state_changed_at: Date;
  readonly decision_rule: string;
  readonly decision_detail: string;
  readonly error_code: string;
  readonly detail: string;
  readonly provider_message_id: string;
  readonly attempt_count: number;
  readonly due_at: Date | number;
  readonly not_after: Date;
  readonly created_at: Date;
  readonly finished_at: Date | null;
  readonly sender: Sender;
  readonly conversation_id: string;
  readonly rule_id: string | null;
  readonly trigger_event_id: string | null;
  readonly person_hash: Buffer;
}

interface AttemptRow {
  readonly message_id: string;
  readonly number: number;
  readonly started_at: Date;
  readonly duration_ms: number;
  readonly outcome: AttemptOutcome;
  readonly error_code: string;
  readonly detail: string;
  readonly permit_id: string;
}

const COLUMNS = `message_id, source_id, channel, category, campaign, state, state_changed_at, decision_rule,
  decision_detail, error_code, detail, provider_message_id, attempt_count, due_at, not_after, created_at, finished_at,
  sender, conversation_id, rule_id, trigger_event_id, person_hash`;

/** Reads for the API, each in a transaction in which row-level security shows one tenant only. */
export class CommandRead {
  constructor(private readonly db: Pick<ReaderDatabase, 'tenantTransaction'>) {}

  /** @param tenantUuid UUID text. @param limit rows. @param cursor empty = from the newest. */
  async list(tenantUuid: string, filter: CommandFilter, limit: number, cursor: string): Promise<CommandPage> {
    const values: unknown[] = [tenantUuid];
    const where = ['tenant_id = $1::uuid'];
    const add = (condition: string, value: unknown): void => {
      if (value === undefined) return;
      values.push(value);
      where.push(condition.replace('?', `$${values.length}`));
    };
    add('state = ?', filter.state);
    add('source_id = ?::uuid', filter.sourceUuid);
    add('campaign = ?', filter.campaign);
    add('person_hash = ANY (?::bytea[])', filter.personHashes);
    add('message_id >= ?::uuid', filter.fromMs === undefined ? undefined : firstUuidOf(filter.fromMs));
    add('message_id < ?::uuid', filter.toMs === undefined ? undefined : firstUuidOf(filter.toMs));
    add('message_id < ?::uuid', cursor === '' ? undefined : uuidOfCursor(cursor));
    values.push(limit + 1);
    return this.db.tenantTransaction(tenantUuid, async (tx) => {
      const { rows } = await tx.query<ViewRow>(
        `SELECT ${COLUMNS} FROM dispatch.command WHERE ${where.join(' AND ')}
         ORDER BY message_id DESC LIMIT $${values.length}`,
        values,
      );
      const page = rows.slice(0, limit);
      const attempts = await attemptsOf(tx, tenantUuid, page);
      const commands = page.map((row) => viewOf(row, attempts));
      return { commands, nextCursor: rows.length > limit ? encodeCursor([commands.at(-1)!.id]) : '' };
    });
  }

  /** @throws AppError `message.not_found` */
  async get(tenantUuid: string, messageUuid: string): Promise<CommandView> {
    return this.db.tenantTransaction(tenantUuid, async (tx) => {
      const { rows } = await tx.query<ViewRow>(
        {
          name: 'get_command',
          text: `SELECT ${COLUMNS} FROM dispatch.command WHERE tenant_id = $1::uuid AND message_id = $2::uuid`,
        },
        [tenantUuid, messageUuid],
      );
      if (rows[0] === undefined) throw new AppError('message.not_found');
      return viewOf(rows[0], await attemptsOf(tx, tenantUuid, rows));
    });
  }
}

/** Of each command, oldest first; their number is bounded by how often one is tried. */
async function attemptsOf(
  tx: Tx,
  tenantUuid: string,
  commands: readonly ViewRow[],
): Promise<ReadonlyMap<string, CommandAttemptView[]>> {
  const attempts = new Map<string, CommandAttemptView[]>(commands.map(({ message_id }) => [message_id, []]));
  const { rows } = await tx.query<AttemptRow>(
    {
      name: 'get_command_attempts',
      text: `SELECT message_id, number, started_at, duration_ms, outcome, error_code, detail, permit_id
             FROM dispatch.command_attempt WHERE tenant_id = $1::uuid AND message_id = ANY ($2::uuid[])
             ORDER BY message_id, number`,
    },
    [tenantUuid, [...attempts.keys()]],
  );
  for (const row of rows) {
    attempts.get(row.message_id)!.push({
      number: row.number,
      startedAtMs: row.started_at.getTime(),
      durationMs: row.duration_ms,
      outcome: row.outcome,
      errorCode: row.error_code,
      detail: row.detail,
      permitId: row.permit_id,
    });
  }
  return attempts;
}

function viewOf(row: ViewRow, attempts: ReadonlyMap<string, CommandAttemptView[]>): CommandView {
  const isOpen = row.finished_at === null;
  // `infinity`: only a callback or a person moves it on.
  const isPlanned = row.due_at instanceof Date;
  return {
    id: idOfUuid('msg', row.message_id),
    sourceId: idOfUuid('src', row.source_id),
    channel: row.channel,
    category: row.category,
    campaign: row.campaign,
    state: row.state,
    stateChangedAtMs: row.state_changed_at.getTime(),
    decisionRule: row.decision_rule,
    decisionDetail: row.decision_detail,
    errorCode: row.error_code,
    detail: row.detail,
    providerMessageId: row.provider_message_id,
    attemptCount: row.attempt_count,
    nextAttemptAtMs: isOpen && isPlanned ? (row.due_at as Date).getTime() : 0,
    notAfterMs: row.not_after.getTime(),
    createdAtMs: row.created_at.getTime(),
    finishedAtMs: row.finished_at?.getTime() ?? 0,
    sender: row.sender,
    conversationId: idOfUuid('cnv', row.conversation_id),
    ruleId: row.rule_id === null ? '' : idOfUuid('rul', row.rule_id),
    triggerEventId: row.trigger_event_id === null ? '' : idOfUuid('evt', row.trigger_event_id),
    isWaitingForPerson: isOpen && !isPlanned,
    personHash: row.person_hash.toString('hex'),
    attempts: attempts.get(row.message_id) ?? [],
  };
}

function uuidOfCursor(cursor: string): string {
  const uuid = uuidOfId('msg', decodeCursor(cursor, 1)[0]!);
  if (uuid !== undefined) return uuid;
  throw new AppError('request.invalid', {
    fields: [{ path: 'query.cursor', message: 'must be the next_cursor of an earlier answer' }],
  });
}
