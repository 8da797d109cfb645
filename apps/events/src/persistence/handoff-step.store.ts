import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { HandoffStep } from '../domain/handoff-step.js';
import { uuidArray } from '@posthorn/postgres/pg-arrays.js';

interface Row {
  tenant_id: string;
  event_id: string;
  handoff_id: string | null;
  conversation_id: string;
  type: HandoffStep['type'];
  target: HandoffStep['target'];
  actor: string;
  note: string;
  channel: string;
  person_hash: Buffer | null;
  occurred: number;
  traceparent: string;
  data_key_id: string | null;
  content: Buffer | null;
}

const ADD = {
  name: 'handoff_step_add',
  text: `INSERT INTO events.handoff_step (tenant_id, event_id, handoff_id, conversation_id, type, target, actor, note,
           channel, person_hash, occurred_at, traceparent, data_key_id, content)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, to_timestamp($11::float8 / 1000), $12, $13, $14)`,
};
const WAITING = {
  name: 'handoff_step_waiting',
  text: `SELECT tenant_id, event_id, handoff_id, conversation_id, type, target, actor, note, channel, person_hash,
           date_part('epoch', occurred_at) * 1000 AS occurred, traceparent, data_key_id, content
         FROM events.handoff_step
         WHERE NOT is_appended AND occurred_at < clock_timestamp() - $1 * interval '1 ms'
         ORDER BY occurred_at LIMIT $2`,
};
/** Who claimed it, and when; shown to whoever comes after. */
export interface PriorClaim {
  readonly actor: string;
  readonly atMs: number;
}

const CLAIMS_MAX = 20;
const CLAIMS = {
  name: 'handoff_step_claims',
  text: `SELECT actor, date_part('epoch', occurred_at) * 1000 AS at FROM events.handoff_step
         WHERE tenant_id = $1 AND handoff_id = $2 AND type = 'conversation.claimed'
         ORDER BY event_id DESC LIMIT ${CLAIMS_MAX}`,
};
/** An event that is no step asked for the hand-off itself: then that has its ID. Of erasures those count that came later. */
const HANDOFF_OF = {
  name: 'handoff_step_handoff',
  text: `SELECT h.handoff_id, EXISTS (
           SELECT FROM events.erasure e JOIN events.conversation c
             ON c.tenant_id = e.tenant_id AND c.person_hash = ANY (e.person_hashes)
           WHERE e.tenant_id = h.tenant_id AND c.conversation_id = h.conversation_id
             AND e.requested_at >= h.requested_at
         ) AS is_erased
         FROM events.handoff h
         WHERE h.tenant_id = $1 AND h.handoff_id = COALESCE(
           (SELECT s.handoff_id FROM events.handoff_step s WHERE s.tenant_id = $1 AND s.event_id = $2), $2)`,
};
/** From here on the log has the content, and retention and erasure reach it there. */
const APPENDED = {
  name: 'handoff_step_appended',
  text: `UPDATE events.handoff_step s SET is_appended = true, content = NULL
         FROM unnest($1::uuid[], $2::uuid[]) AS k (tenant_id, event_id)
         WHERE s.tenant_id = k.tenant_id AND s.event_id = k.event_id`,
};

/** Steps that were decided: committed with the decision, kept as the hand-off's history, told to the log. */
export class HandoffStepStore {
  async add(tx: Tx, step: HandoffStep): Promise<void> {
    const { tenantId, eventId, handoffId, conversationId, sealed } = step;
    await tx.query(ADD, [
      ...[uuidText(tenantId), uuidText(eventId), handoffId && uuidText(handoffId), uuidText(conversationId)],
      ...[step.type, step.target, step.actor, step.note, step.channel, step.personHash ?? null],
      ...[step.occurredAtMs, step.traceparent],
      ...[sealed === undefined ? null : uuidText(sealed.dataKeyId), sealed?.body ?? null],
    ]);
  }

  /** Steps of all tenants that are not known to be in the log. @param olderThanMs so that their own call may tell it. */
  async waiting(tx: Pick<Tx, 'query'>, olderThanMs: number, limit: number): Promise<HandoffStep[]> {
    const { rows } = await tx.query<Row>(WAITING, [olderThanMs, limit]);
    return rows.map(stepOf);
  }

  /** The last claims of a hand-off, newest first. */
  async claims(tx: Tx, tenantId: string, handoffId: string): Promise<PriorClaim[]> {
    const { rows } = await tx.query<{ actor: string; at: number }>(CLAIMS, [tenantId, handoffId]);
    return rows.map(({ actor, at }) => ({ actor, atMs: at }));
  }

  /** The hand-off of an event. @param eventId UUID text. @returns undefined when it has none. */
  async handoffOf(
    tx: Tx,
    tenantId: string,
    eventId: string,
  ): Promise<{ readonly handoffId: string; readonly isErased: boolean } | undefined> {
    const { rows } = await tx.query<{ handoff_id: string; is_erased: boolean }>(HANDOFF_OF, [
      ...[tenantId, eventId],
    ]);
    return rows[0] && { handoffId: rows[0].handoff_id, isErased: rows[0].is_erased };
  }

  async appended(tx: Pick<Tx, 'query'>, steps: readonly HandoffStep[]): Promise<void> {
    if (steps.length === 0) return;
    await tx.query(APPENDED, [
      uuidArray(steps.map(({ tenantId }) => tenantId)),
      uuidArray(steps.map(({ eventId }) => eventId)),
    ]);
  }
}

const stepOf = (row: Row): HandoffStep => ({
  tenantId: uuidBytes(row.tenant_id),
  eventId: uuidBytes(row.event_id),
  handoffId: row.handoff_id === null ? undefined : uuidBytes(row.handoff_id),
  conversationId: uuidBytes(row.conversation_id),
  type: row.type,
  target: row.target,
  actor: row.actor,
  note: row.note,
  channel: row.channel,
  personHash: row.person_hash ?? undefined,
  occurredAtMs: row.occurred,
  traceparent: row.traceparent,
  sealed:
    row.content === null || row.data_key_id === null
      ? undefined
      : { dataKeyId: uuidBytes(row.data_key_id), body: row.content },
});
