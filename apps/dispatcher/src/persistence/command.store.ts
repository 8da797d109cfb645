import { uuidText } from '@posthorn/clock/id.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { type Command, type CommandIdentity } from '../domain/command.js';
import { type CommandChange } from '../domain/command-change.js';
import { COMMAND_STATES, type CommandState, isEnded } from '../domain/command-state.js';
import {
  commandValues,
  contentValues,
  INSERT_COMMANDS,
  INSERT_CONTENTS,
  type NewCommand,
  type SealedContent,
} from './command.inserts.js';
import { commandColumns, commandOf, type CommandRow } from './command.rows.js';
import { type DueCursor, type DuePage } from './due-page.js';

/** Changes of one transaction. */
export const CHANGES_MAX = 256;
/** Contents of one read: each may be a whole email. */
export const CONTENTS_MAX = 32;
const NEVER = 'infinity';
/** Of what is read to be changed, not to be worked on. */
const NO_LEASE = 0n;

type Key = Pick<CommandIdentity, 'tenantId' | 'messageId'>;

/** What is sent, without what the log was told. */
export type SealedBody = Pick<SealedContent, 'dataKeyId' | 'body'>;

interface ContentRow {
  readonly place: number;
  readonly data_key_id: string;
  readonly body: Buffer;
}

const READ_CONTENTS: Statement = {
  name: 'read_command_contents',
  text: `SELECT v.place::int AS place, c.data_key_id, c.body
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS v (tenant_id, message_id, place)
    JOIN dispatch.command_content c ON c.tenant_id = v.tenant_id AND c.message_id = v.message_id`,
};

/** In key order, so that two transactions never wait for each other. */
const LOCK: Statement = {
  name: 'lock_commands',
  text: `SELECT ${commandColumns('c')} FROM unnest($1::uuid[], $2::uuid[]) AS v (tenant_id, message_id)
    JOIN dispatch.command c ON c.tenant_id = v.tenant_id AND c.message_id = v.message_id
    WHERE c.state = ANY ($3::text[]) ORDER BY c.tenant_id, c.message_id FOR UPDATE OF c`,
};

/** The states written out: only then the partial index can be used. */
const OPEN: Statement = {
  name: 'open_commands',
  text: `SELECT message_id FROM dispatch.command WHERE state IN ('sending', 'indeterminate') LIMIT $1`,
};

const APPLY: Statement = {
  name: 'change_commands',
  text: `UPDATE dispatch.command c SET
      state = v.state,
      state_changed_at = CASE WHEN c.state = v.state THEN c.state_changed_at ELSE $17::timestamptz END,
      due_at = v.due_at, attempt_count = v.attempt_count, lookup_count = v.lookup_count,
      sent_at = coalesce(v.sent_at, c.sent_at),
      provider_message_id = coalesce(nullif(v.provider_message_id, ''), c.provider_message_id),
      decision_rule = coalesce(v.decision_rule, c.decision_rule),
      decision_detail = coalesce(v.decision_detail, c.decision_detail),
      error_code = CASE WHEN c.state = v.state AND v.error_code = '' THEN c.error_code ELSE v.error_code END,
      detail = CASE WHEN c.state = v.state AND v.detail = '' THEN c.detail ELSE v.detail END,
      finished_at = CASE WHEN v.is_ended THEN $17::timestamptz END
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::boolean[], $7::int[], $8::int[],
        $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
        $16::int[])
      AS v (tenant_id, message_id, from_states, attempts_before, state, is_ended, attempt_count, lookup_count,
        due_at, sent_at, provider_message_id, decision_rule, decision_detail, error_code, detail, place)
    WHERE c.tenant_id = v.tenant_id AND c.message_id = v.message_id
      AND c.attempt_count = v.attempts_before AND c.state = ANY (string_to_array(v.from_states, ','))
    RETURNING v.place`,
};

const RECORD_ATTEMPTS: Statement = {
  name: 'record_command_attempts',
  text: `INSERT INTO dispatch.command_attempt AS a
      (tenant_id, message_id, number, permit_id, started_at, duration_ms, outcome, error_code, detail)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::timestamptz[], $6::real[], $7::text[],
      $8::text[], $9::text[])
    ON CONFLICT (tenant_id, message_id, number) DO UPDATE SET
      permit_id = CASE WHEN excluded.permit_id = '' THEN a.permit_id ELSE excluded.permit_id END,
      duration_ms = greatest(excluded.duration_ms, a.duration_ms), started_at = excluded.started_at,
      outcome = excluded.outcome, error_code = excluded.error_code, detail = excluded.detail`,
};

const DUE: Statement = {
  name: 'due_commands',
  text: `SELECT ${commandColumns('c')}, c.due_at::text AS due_at
    FROM unnest($1::smallint[], $2::timestamptz[], $3::uuid[]) AS s (shard, after_at, after_id)
    CROSS JOIN LATERAL (
      SELECT ${commandColumns('i')}, i.due_at FROM dispatch.command i
      WHERE i.shard = s.shard AND i.finished_at IS NULL AND i.due_at <= $4::timestamptz
        AND (i.due_at, i.message_id) > (s.after_at, s.after_id)
        AND (i.source_id <> ALL ($5::uuid[]) OR i.state IN ('sending', 'indeterminate') OR i.not_after <= $4::timestamptz)
      ORDER BY i.due_at, i.message_id LIMIT $6::int) c`,
};

const timeText = (ms: number): string => (ms === Infinity ? NEVER : new Date(ms).toISOString());

/** Writes commands, their contents and attempts. */
export class CommandStore {
  /** @param commands at most `NEW_COMMANDS_MAX`. */
  async insert(tx: Tx, commands: readonly NewCommand[]): Promise<void> {
    await Promise.all([
      INSERT_COMMANDS.run(tx, commands, commandValues),
      INSERT_CONTENTS.run(tx, commands, contentValues),
    ]);
  }

  /** What is sent, sealed, in order; undefined where it was erased. @param keys at most `CONTENTS_MAX`. */
  async contents(tx: Pick<Tx, 'query'>, keys: readonly Key[]): Promise<readonly (SealedBody | undefined)[]> {
    const { rows } = await tx.query<ContentRow>(READ_CONTENTS, keysOf(keys));
    const found = new Map(rows.map((row) => [row.place, row]));
    return keys.map((_key, at) => {
      const row = found.get(at + 1);
      if (row === undefined) return undefined;
      const dataKeyId = Buffer.from(row.data_key_id.replaceAll('-', ''), 'hex');
      return { dataKeyId, body: row.body };
    });
  }

  /**
   * Messages whose outcome is open, UUID texts.
   * @param limit at most so many. @returns undefined when there are more.
   */
  async openMessages(tx: Pick<Tx, 'query'>, limit: number): Promise<ReadonlySet<string> | undefined> {
    const { rows } = await tx.query<{ message_id: string }>(OPEN, [limit + 1]);
    return rows.length > limit ? undefined : new Set(rows.map(({ message_id }) => message_id));
  }

  /** Those in these states, locked until the transaction ends. */
  async lock(tx: Tx, keys: readonly Key[], states: readonly CommandState[]): Promise<Command[]> {
    const { rows } = await tx.query<CommandRow>(LOCK, [...keysOf(keys), states]);
    return rows.map((row) => commandOf(row, NO_LEASE));
  }

  /** One in whatever state, locked until the transaction ends. */
  async find(tx: Tx, key: Key): Promise<Command | undefined> {
    return (await this.lock(tx, [key], COMMAND_STATES))[0];
  }

  /**
   * Applies what still holds, and records every outcome of an attempt.
   * @param changes at most `CHANGES_MAX`, one for each command. @returns those that were applied.
   */
  async apply(tx: Tx, changes: readonly CommandChange[], nowMs: number): Promise<CommandChange[]> {
    const [, { rows }] = await Promise.all([
      tx.query(LOCK, [...keysOf(changes.map(({ command }) => command)), COMMAND_STATES]),
      tx.query<{ place: number }>(APPLY, [...changeColumns(changes), timeText(nowMs)]),
    ]);
    const applied = rows.map(({ place }) => changes[place]!);
    const isApplied = new Set(applied);
    // An intent that was not applied never was; an outcome is true whoever came first.
    const attempts = changes.filter(
      (change) =>
        change.attempt !== undefined && (change.attempt.outcome !== 'sending' || isApplied.has(change)),
    );
    if (attempts.length > 0) await tx.query(RECORD_ATTEMPTS, attemptColumns(attempts));
    return applied;
  }

  /**
   * One page of what is due, for each shard from its cursor on.
   * @param without sources (UUID text) through which nothing is sent for now. @param limit rows per shard.
   */
  async due(
    tx: Pick<Tx, 'query'>,
    held: ReadonlyMap<number, bigint>,
    cursors: readonly DueCursor[],
    without: readonly string[],
    nowMs: number,
    limit: number,
  ): Promise<DuePage<Command>> {
    const { rows } = await tx.query<CommandRow & { due_at: string }>(DUE, [
      cursors.map(({ shard }) => shard),
      cursors.map(({ dueAt }) => dueAt),
      cursors.map(({ id }) => id),
      timeText(nowMs),
      without,
      limit,
    ]);
    const next = new Map<number, DueCursor>();
    const counts = new Map<number, number>();
    for (const { shard, due_at, message_id } of rows) {
      next.set(shard, { shard, dueAt: due_at, id: message_id });
      counts.set(shard, (counts.get(shard) ?? 0) + 1);
    }
    const items = rows.flatMap((row) => {
      const leaseEpoch = held.get(row.shard);
      return leaseEpoch === undefined ? [] : [commandOf(row, leaseEpoch)];
    });
    return { items, rowsOfShard: counts, cursors: next };
  }
}

const keysOf = (commands: readonly Key[]): unknown[] => [
  commands.map(({ tenantId }) => uuidText(tenantId)),
  commands.map(({ messageId }) => uuidText(messageId)),
];

const changeColumns = (changes: readonly CommandChange[]): unknown[] => [
  ...keysOf(changes.map(({ command }) => command)),
  changes.map(({ from }) => from.join(',')),
  changes.map(({ attemptsBefore }) => attemptsBefore),
  changes.map(({ to }) => to),
  changes.map(({ to }) => isEnded(to)),
  changes.map(({ attemptCount }) => attemptCount),
  changes.map(({ lookupCount }) => lookupCount),
  changes.map(({ dueAtMs }) => timeText(dueAtMs)),
  changes.map(({ sentAtMs }) => (sentAtMs === undefined ? null : timeText(sentAtMs))),
  changes.map(({ providerMessageId }) => providerMessageId),
  changes.map(({ decision }) => decision?.rule ?? null),
  changes.map(({ decision }) => decision?.detail ?? null),
  changes.map(({ errorCode }) => errorCode),
  changes.map(({ detail }) => detail),
  changes.map((_, place) => place),
];

const attemptColumns = (changes: readonly CommandChange[]): unknown[] => {
  const attempts = changes.map(({ attempt }) => attempt!);
  return [
    ...keysOf(changes.map(({ command }) => command)),
    attempts.map(({ number }) => number),
    attempts.map(({ permitId }) => permitId),
    attempts.map(({ startedAtMs }) => timeText(startedAtMs)),
    attempts.map(({ durationMs }) => durationMs),
    attempts.map(({ outcome }) => outcome),
    attempts.map(({ errorCode }) => errorCode),
    attempts.map(({ detail }) => detail),
  ];
};
