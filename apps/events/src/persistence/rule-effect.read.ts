import type { Tx } from '@posthorn/postgres/database.js';
import type { Page } from './event.read.js';

/** What a rule fired, as the API shows it. IDs are UUID texts; times Unix milliseconds, 0 = none. */
export interface EffectView {
  readonly effectId: string;
  readonly ruleId: string;
  readonly ruleVersion: number;
  readonly triggerEventId: string;
  readonly conversationId: string | undefined;
  readonly messageId: string | undefined;
  readonly action: string;
  readonly state: string;
  readonly result: string;
  readonly errorCode: string;
  readonly detail: string;
  readonly attemptCount: number;
  readonly firedAtMs: number;
  readonly finishedAtMs: number;
}

/** Empty = any. */
export interface EffectFilter {
  readonly ruleId: string;
  readonly triggerEventId: string;
  readonly state: string;
}

interface Row {
  effect_id: string;
  rule_id: string;
  rule_version: number;
  trigger_event_id: string;
  conversation_id: string | null;
  message_id: string | null;
  action: string;
  state: string;
  result: string;
  error_code: string;
  detail: string;
  attempt_count: number;
  fired: number;
  finished: number | null;
}

/** See EventRead: a page never looks at more rows. */
const SCAN_MAX = 5_000;
const OF_EVENT_MAX = 50;
const UUID_MAX = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const COLUMNS = `e.effect_id, e.rule_id, e.rule_version, e.trigger_event_id, e.conversation_id, e.message_id, e.action,
  e.state, e.result, e.error_code, e.detail, e.attempt_count, date_part('epoch', e.fired_at) * 1000 AS fired,
  date_part('epoch', e.finished_at) * 1000 AS finished`;
const BOUNDED = 'tenant_id = $1 AND effect_id < $2::uuid';

const LIST = {
  name: 'rule_effect_list',
  text: `SELECT ${COLUMNS} FROM (
           SELECT * FROM events.rule_effect WHERE ${BOUNDED} ORDER BY effect_id DESC LIMIT ${SCAN_MAX}
         ) e
         WHERE ($3::text = '' OR e.rule_id::text = $3) AND ($4::text = '' OR e.trigger_event_id::text = $4)
           AND ($5::text = '' OR e.state = $5)
         ORDER BY e.effect_id DESC LIMIT $6::int`,
};
const SCAN_END = {
  name: 'rule_effect_scan_end',
  text: `SELECT effect_id FROM events.rule_effect WHERE ${BOUNDED}
         ORDER BY effect_id DESC OFFSET ${SCAN_MAX - 1} LIMIT 1`,
};
const OF_EVENT = {
  name: 'rule_effect_of_event',
  text: `SELECT ${COLUMNS} FROM events.rule_effect e WHERE e.tenant_id = $1 AND e.trigger_event_id = $2
         ORDER BY e.effect_id LIMIT ${OF_EVENT_MAX}`,
};
const KEYS = {
  name: 'rule_effect_keys',
  text: `SELECT trigger_key FROM events.rule_effect
         WHERE tenant_id = $1 AND rule_id = $2 AND trigger_key = ANY ($3::bytea[])`,
};

/** Reads what rules fired of one tenant; every transaction must have that tenant set. */
export class RuleEffectRead {
  /** Newest first. A page that filters may be shorter than asked for, or empty, and go on. */
  async list(
    tx: Tx,
    tenantId: string,
    { ruleId, triggerEventId, state }: EffectFilter,
    after: string | undefined,
    limit: number,
  ): Promise<Page<EffectView>> {
    const bounds = [tenantId, after ?? UUID_MAX];
    const { rows } = await tx.query<Row>(LIST, [...bounds, ruleId, triggerEventId, state, limit + 1]);
    const items = rows.slice(0, limit).map(viewOf);
    if (rows.length > limit) return { items, next: items.at(-1)!.effectId };
    if ([ruleId, triggerEventId, state].every((text) => text === '')) return { items, next: undefined };
    const { rows: ends } = await tx.query<{ effect_id: string }>(SCAN_END, bounds);
    return { items, next: ends[0]?.effect_id };
  }

  /** What an event made the rules do, 50 at most. */
  async ofEvent(tx: Tx, tenantId: string, eventId: string): Promise<EffectView[]> {
    const { rows } = await tx.query<Row>(OF_EVENT, [tenantId, eventId]);
    return rows.map(viewOf);
  }

  /** Those of the keys with which the rule has fired, in hex. */
  async firedKeys(tx: Tx, tenantId: string, ruleId: Buffer, keys: readonly Buffer[]): Promise<Set<string>> {
    const { rows } = await tx.query<{ trigger_key: Buffer }>(KEYS, [tenantId, ruleId, keys]);
    return new Set(rows.map(({ trigger_key }) => trigger_key.toString('hex')));
  }
}

const viewOf = (row: Row): EffectView => ({
  effectId: row.effect_id,
  ruleId: row.rule_id,
  ruleVersion: row.rule_version,
  triggerEventId: row.trigger_event_id,
  conversationId: row.conversation_id ?? undefined,
  messageId: row.message_id ?? undefined,
  action: row.action,
  state: row.state,
  result: row.result,
  errorCode: row.error_code,
  detail: row.detail,
  attemptCount: row.attempt_count,
  firedAtMs: row.fired,
  finishedAtMs: row.finished ?? 0,
});
