import { uuidBytes } from '@posthorn/clock/id.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import type { ConsentChange } from '../domain/person-consent.js';
import type { Merge } from '../domain/message-book.js';
import type { Firing } from '../domain/rule-firing.js';
import { messageKey } from '../domain/rule-key.js';
import type { RuleAction, RuleDefinition } from '../domain/rule.js';
import { byteaArray, int4Array, textArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';
import { filter } from '@posthorn/postgres/filter.js';

/** A firing that is to be committed. IDs are 16 bytes. */
export interface NewEffect {
  readonly effectId: Buffer;
  readonly subjectId: Buffer;
  readonly firing: Firing;
  /** Its place among those of the same rule and subject in this batch, from 1. */
  readonly ordinal: number;
}

/** An effect that somebody has taken to carry out. IDs are UUID texts. */
export interface DueEffect {
  readonly tenantId: string;
  readonly effectId: string;
  readonly ruleId: string;
  readonly ruleVersion: number;
  readonly triggerEventId: string;
  readonly conversationId: string | undefined;
  readonly messageId: string | undefined;
  readonly personHash: Buffer | undefined;
  readonly action: RuleAction;
  /** Of the placeholders; after them, of an answer, the signal that it answers. */
  readonly values: readonly string[];
  readonly attemptCount: number;
  readonly firedAtMs: number;
  readonly traceparent: string;
}

/** How an effect ended. */
export interface EffectEnd {
  readonly state: 'done' | 'failed';
  readonly result: string;
  readonly errorCode: string;
  readonly detail: string;
}

/**
 * A rule sends, or hands over, no more often than this in one conversation within a day: two machines that answer
 * each other stop here.
 */
export const FIRED_PER_DAY_MAX = 20;

const CONSENTS = {
  name: 'rule_consents',
  text: `SELECT c.tenant_id, c.person_hash, date_part('epoch', c.opted_out_at) * 1000 AS opted_out,
           date_part('epoch', c.opted_in_at) * 1000 AS opted_in
         FROM unnest($1::uuid[], $2::bytea[]) AS k (tenant_id, person_hash)
         JOIN events.person_consent c ON c.tenant_id = k.tenant_id AND c.person_hash = k.person_hash`,
};
const ADD = {
  name: 'rule_effect_add',
  text: `
WITH f AS MATERIALIZED (
  SELECT f.*, f.action IN ('send', 'handoff') AND f.ordinal + (SELECT count(*) FROM (
      SELECT FROM events.rule_effect e
      WHERE e.tenant_id = f.tenant_id AND e.rule_id = f.rule_id AND e.subject_id = f.subject_id
        AND e.fired_at > now() - interval '1 day' LIMIT ${FIRED_PER_DAY_MAX}
    ) x) > ${FIRED_PER_DAY_MAX} AND NOT EXISTS (SELECT FROM events.rule_effect e
      WHERE e.tenant_id = f.tenant_id AND e.rule_id = f.rule_id AND e.trigger_key = f.trigger_key) AS is_too_often
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int4[], $5::bytea[], $6::uuid[], $7::uuid[], $8::uuid[],
    $9::uuid[], $10::bytea[], $11::text[], $12::text[], $13::text[], $14::int4[])
    AS f (tenant_id, effect_id, rule_id, rule_version, trigger_key, trigger_event_id, subject_id, conversation_id,
      message_id, person_hash, action, arguments, traceparent, ordinal)
), added AS (
  INSERT INTO events.rule_effect (tenant_id, effect_id, rule_id, rule_version, trigger_key, trigger_event_id,
    subject_id, conversation_id, message_id, person_hash, action, arguments, traceparent, next_attempt_at, fired_at)
  SELECT tenant_id, effect_id, rule_id, rule_version, trigger_key, trigger_event_id, subject_id, conversation_id,
    message_id, person_hash, action, arguments, traceparent, now(), now()
  FROM f WHERE NOT is_too_often
  ON CONFLICT (tenant_id, trigger_key, rule_id) DO NOTHING
  RETURNING effect_id
)
SELECT effect_id, false AS is_too_often FROM added
UNION ALL SELECT effect_id, true FROM f WHERE is_too_often`,
};
/** What was fired for a message, and its tags, are now of the message that it turned out to be. */
const MERGE = {
  name: 'rule_effect_merge',
  text: `
WITH g AS (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::bytea[])
    AS g (tenant_id, from_id, into_id, from_key, into_key)
), keys AS (
  UPDATE events.rule_effect e SET trigger_key = g.into_key FROM g
  WHERE e.tenant_id = g.tenant_id AND e.trigger_key = g.from_key
    AND NOT EXISTS (SELECT FROM events.rule_effect o
      WHERE o.tenant_id = e.tenant_id AND o.trigger_key = g.into_key AND o.rule_id = e.rule_id)
)
INSERT INTO events.tag (tenant_id, target, target_id, tag, effect_id, tagged_at)
SELECT t.tenant_id, t.target, g.into_id, t.tag, t.effect_id, t.tagged_at FROM g
JOIN events.tag t ON t.tenant_id = g.tenant_id AND t.target = 'message' AND t.target_id = g.from_id
ON CONFLICT DO NOTHING`,
};
const CLAIM = {
  name: 'rule_effect_claim',
  text: `
WITH due AS (
  SELECT tenant_id, effect_id FROM events.rule_effect
  WHERE state = 'pending' AND next_attempt_at <= clock_timestamp()
  ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE events.rule_effect e SET attempt_count = e.attempt_count + 1,
  next_attempt_at = clock_timestamp() + $2 * interval '1 ms'
FROM due, events.rule_version v
WHERE e.tenant_id = due.tenant_id AND e.effect_id = due.effect_id
  AND v.tenant_id = e.tenant_id AND v.rule_id = e.rule_id AND v.version = e.rule_version
RETURNING e.tenant_id, e.effect_id, e.rule_id, e.rule_version, e.trigger_event_id, e.conversation_id, e.message_id,
  e.person_hash, e.arguments, e.attempt_count, date_part('epoch', e.fired_at) * 1000 AS fired, e.traceparent,
  v.definition`,
};
const FINISH = {
  name: 'rule_effect_finish',
  text: `UPDATE events.rule_effect SET state = $3, result = $4, error_code = $5, detail = $6,
           finished_at = clock_timestamp()
         WHERE tenant_id = $1 AND effect_id = $2 AND ${filter("state = 'pending'")}`,
};
const POSTPONE = {
  name: 'rule_effect_postpone',
  text: `UPDATE events.rule_effect SET next_attempt_at = clock_timestamp() + $3 * interval '1 ms', error_code = $4,
           detail = $5
         WHERE tenant_id = $1 AND effect_id = $2 AND ${filter("state = 'pending'")}`,
};
const TAG = {
  name: 'tag_add',
  text: `INSERT INTO events.tag (tenant_id, target, target_id, tag, effect_id, tagged_at)
         VALUES ($1, $2, COALESCE((SELECT merged_into FROM events.message
           WHERE $2 = 'message' AND tenant_id = $1 AND message_id = $3), $3), $4, $5, clock_timestamp())
         ON CONFLICT DO NOTHING`,
};

/** What rules fired: committed with the projection, taken and ended by whoever carries it out. */
export class RuleEffectStore {
  /** Those persons of whom something is known. */
  async consents(
    tx: Tx,
    persons: readonly Pick<ConsentChange, 'tenantId' | 'personHash'>[],
  ): Promise<ConsentChange[]> {
    if (persons.length === 0) return [];
    const { rows } = await tx.query<{
      tenant_id: string;
      person_hash: Buffer;
      opted_out: number | null;
      opted_in: number | null;
    }>(CONSENTS, [
      uuidArray(persons.map(({ tenantId }) => tenantId)),
      byteaArray(persons.map(({ personHash }) => personHash)),
    ]);
    return rows.map((row) => ({
      tenantId: uuidBytes(row.tenant_id),
      personHash: row.person_hash,
      optedOutAtMs: row.opted_out ?? 0,
      optedInAtMs: row.opted_in ?? 0,
    }));
  }

  /** @param effects in the order of their keys, each key once: so two projectors cannot deadlock. */
  async add(tx: Tx, effects: readonly NewEffect[]): Promise<{ added: Set<string>; tooOften: Set<string> }> {
    const { rows } = await tx.query<{ effect_id: string; is_too_often: boolean }>(
      ADD,
      effectColumns(effects),
    );
    const idsOf = (isTooOften: boolean): Set<string> =>
      new Set(rows.filter((row) => row.is_too_often === isTooOften).map(({ effect_id }) => effect_id));
    return { added: idsOf(false), tooOften: idsOf(true) };
  }

  async merge(tx: Tx, merges: readonly Merge[]): Promise<void> {
    await tx.query(MERGE, [
      uuidArray(merges.map(({ tenantId }) => tenantId)),
      uuidArray(merges.map(({ from }) => from)),
      uuidArray(merges.map(({ into }) => into)),
      byteaArray(merges.map(({ from }) => messageKey(from))),
      byteaArray(merges.map(({ into }) => messageKey(into))),
    ]);
  }

  /** Takes what is due, of all tenants, oldest first. @param leaseMs whoever dies with it: it is due again then. */
  async claim(db: Pick<Database, 'query'>, limit: number, leaseMs: number): Promise<DueEffect[]> {
    const { rows } = await db.query<DueRow>(CLAIM, [limit, leaseMs]);
    return rows.map(dueEffectOf);
  }

  async finish(tx: Pick<Tx, 'query'>, { tenantId, effectId }: DueEffect, end: EffectEnd): Promise<void> {
    await tx.query(FINISH, [tenantId, effectId, end.state, end.result, end.errorCode, end.detail]);
  }

  /** @param delayMs from now. */
  async postpone(
    tx: Pick<Tx, 'query'>,
    { tenantId, effectId }: DueEffect,
    delayMs: number,
    { errorCode, detail }: Pick<EffectEnd, 'errorCode' | 'detail'>,
  ): Promise<void> {
    await tx.query(POSTPONE, [tenantId, effectId, delayMs, errorCode, detail]);
  }

  /** The same tag again changes nothing. @param targetId UUID text. */
  async tag(
    tx: Pick<Tx, 'query'>,
    { tenantId, effectId }: DueEffect,
    target: 'conversation' | 'message',
    targetId: string,
    tag: string,
  ): Promise<void> {
    await tx.query(TAG, [tenantId, target, targetId, tag, effectId]);
  }
}

function effectColumns(effects: readonly NewEffect[]): Buffer[] {
  const firings = effects.map(({ firing }) => firing);
  return [
    uuidArray(firings.map(({ rule }) => rule.tenantId)),
    uuidArray(effects.map(({ effectId }) => effectId)),
    uuidArray(firings.map(({ rule }) => rule.ruleId)),
    int4Array(firings.map(({ rule }) => rule.version)),
    byteaArray(firings.map(({ triggerKey }) => triggerKey)),
    uuidArray(firings.map(({ seen }) => seen.transition.event.eventId)),
    uuidArray(effects.map(({ subjectId }) => subjectId)),
    uuidArray(firings.map(({ seen }) => seen.conversation?.conversationId)),
    uuidArray(firings.map(({ seen }) => seen.message?.messageId)),
    byteaArray(firings.map(({ personHash }) => personHash)),
    textArray(firings.map(({ rule }) => rule.definition.action.kind)),
    textArray(firings.map(({ values }) => JSON.stringify(values))),
    textArray(firings.map(({ seen }) => seen.transition.event.traceparent)),
    int4Array(effects.map(({ ordinal }) => ordinal)),
  ];
}

interface DueRow {
  tenant_id: string;
  effect_id: string;
  rule_id: string;
  rule_version: number;
  trigger_event_id: string;
  conversation_id: string | null;
  message_id: string | null;
  person_hash: Buffer | null;
  arguments: string;
  attempt_count: number;
  fired: number;
  traceparent: string;
  definition: RuleDefinition;
}

const dueEffectOf = (row: DueRow): DueEffect => ({
  tenantId: row.tenant_id,
  effectId: row.effect_id,
  ruleId: row.rule_id,
  ruleVersion: row.rule_version,
  triggerEventId: row.trigger_event_id,
  conversationId: row.conversation_id ?? undefined,
  messageId: row.message_id ?? undefined,
  personHash: row.person_hash ?? undefined,
  action: row.definition.action,
  values: JSON.parse(row.arguments) as string[],
  attemptCount: row.attempt_count,
  firedAtMs: row.fired,
  traceparent: row.traceparent,
});
