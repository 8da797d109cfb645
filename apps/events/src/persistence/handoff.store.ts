import type { Tx } from '@posthorn/postgres/database.js';
import type { Handoff, HandoffState } from '../domain/handoff.js';

/** A hand-off that begins. IDs are UUID texts. */
export interface NewHandoff extends Pick<
  Handoff,
  'handoffId' | 'conversationId' | 'reason' | 'requestedBy' | 'queue' | 'priority'
> {
  readonly tenantId: string;
  /** The caller's own ID for it; empty = none. */
  readonly key: string;
}

/** What a hand-off is after a step, and when that was. */
export interface Stepped {
  readonly handoff: Handoff;
  /** By the database's clock, later than every step of it before. */
  readonly atMs: number;
}

interface Row {
  handoff_id: string;
  conversation_id: string;
  state: HandoffState;
  reason: string;
  requested_by: string;
  requested: number;
  queue: string;
  priority: number;
  claimed_by: string;
  claimed: number | null;
  offer_until: number | null;
  fencing_token: string;
  attempts: number;
  last_step: number;
}

const ms = (column: string): string => `date_part('epoch', h.${column}) * 1000`;
export const HANDOFF_COLUMNS = `h.handoff_id, h.conversation_id, h.state, h.reason, h.requested_by,
  ${ms('requested_at')} AS requested, h.queue, h.priority, h.claimed_by, ${ms('claimed_at')} AS claimed,
  ${ms('offer_until')} AS offer_until, h.fencing_token, h.attempts, ${ms('last_step_at')} AS last_step`;
export type HandoffRow = Row;

/** Steps of one hand-off never share a time: the fold would have to guess their order. */
const NEXT_STEP = `GREATEST(clock_timestamp(), h.last_step_at + interval '1 ms')`;

const CREATE = {
  name: 'handoff_create',
  text: `INSERT INTO events.handoff AS h (tenant_id, handoff_id, conversation_id, key, state, reason, requested_by,
           requested_at, queue, priority, last_step_at)
         VALUES ($1, $2, $3, $4, 'escalated', $5, $6, clock_timestamp(), $7, $8, clock_timestamp())
         ON CONFLICT DO NOTHING
         RETURNING ${HANDOFF_COLUMNS}`,
};
const SAME = {
  name: 'handoff_same',
  text: `SELECT ${HANDOFF_COLUMNS} FROM events.handoff h
         WHERE h.tenant_id = $1 AND h.conversation_id = $2
           AND ((h.key = $3 AND $3 <> '') OR h.state IN ('escalated', 'claimed'))
         ORDER BY h.key = $3 DESC, h.requested_at DESC LIMIT 1`,
};
const LOCK_OPEN = {
  name: 'handoff_lock_open',
  text: `SELECT ${HANDOFF_COLUMNS} FROM events.handoff h
         WHERE h.tenant_id = $1 AND h.conversation_id = $2 AND h.state IN ('escalated', 'claimed')
         FOR UPDATE`,
};
const update = (name: string, changes: string) => ({
  name,
  text: `UPDATE events.handoff h SET ${changes}, last_step_at = ${NEXT_STEP}
         WHERE h.tenant_id = $1 AND h.handoff_id = $2
         RETURNING ${HANDOFF_COLUMNS}`,
});
const CLAIM = update(
  'handoff_claim',
  `state = 'claimed', claimed_by = $3, claimed_at = clock_timestamp(),
   offer_until = CASE WHEN $4::int = 0 THEN NULL ELSE clock_timestamp() + $4 * interval '1 s' END,
   fencing_token = nextval('events.handoff_fencing'), attempts = attempts + 1`,
);
const ACCEPT = update('handoff_accept', 'offer_until = NULL');
const REQUEUE = update(
  'handoff_requeue',
  `state = 'escalated', claimed_by = '', claimed_at = NULL, offer_until = NULL`,
);
const END = update('handoff_end', 'state = $3, offer_until = NULL');
const EXPIRED = {
  name: 'handoff_expired',
  text: `WITH due AS (
           SELECT tenant_id, handoff_id, claimed_by FROM events.handoff
           WHERE state = 'claimed' AND offer_until < clock_timestamp()
           ORDER BY offer_until LIMIT $1 FOR UPDATE SKIP LOCKED
         )
         UPDATE events.handoff h SET state = 'escalated', claimed_by = '', claimed_at = NULL, offer_until = NULL,
           last_step_at = ${NEXT_STEP}
         FROM due, events.conversation c
         WHERE h.tenant_id = due.tenant_id AND h.handoff_id = due.handoff_id
           AND c.tenant_id = h.tenant_id AND c.conversation_id = h.conversation_id
         RETURNING h.tenant_id, due.claimed_by AS offered_to, c.channel, c.person_hash, ${HANDOFF_COLUMNS}`,
};

/** An offer that nobody accepted. */
export interface ExpiredOffer extends Stepped {
  readonly tenantId: string;
  readonly offeredTo: string;
  readonly channel: string;
  readonly personHash: Buffer | undefined;
}

/** Who owns a conversation, decided under the row's lock. */
export class HandoffStore {
  /** @returns the one that has this key, or is open, when there is one. */
  async create(tx: Tx, draft: NewHandoff): Promise<Stepped & { readonly isNew: boolean }> {
    const { tenantId, handoffId, conversationId, key, reason, requestedBy, queue, priority } = draft;
    const values = [tenantId, handoffId, conversationId, key, reason, requestedBy, queue, priority];
    const { rows } = await tx.query<Row>(CREATE, values);
    if (rows[0] !== undefined) return { ...stepped(rows[0]), isNew: true };
    const { rows: known } = await tx.query<Row>(SAME, [tenantId, conversationId, key]);
    return { ...stepped(known[0]!), isNew: false };
  }

  /** Locked until the transaction ends. */
  async lockOpen(tx: Tx, tenantId: string, conversationId: string): Promise<Handoff | undefined> {
    const { rows } = await tx.query<Row>(LOCK_OPEN, [tenantId, conversationId]);
    return rows[0] && handoffOf(rows[0]);
  }

  /** Gives it a new fencing token. @param offerTimeoutSeconds 0 = accepted at once. */
  claim(
    tx: Tx,
    tenantId: string,
    handoffId: string,
    actor: string,
    offerTimeoutSeconds: number,
  ): Promise<Stepped> {
    return one(tx.query<Row>(CLAIM, [tenantId, handoffId, actor, offerTimeoutSeconds]));
  }

  accept(tx: Tx, tenantId: string, handoffId: string): Promise<Stepped> {
    return one(tx.query<Row>(ACCEPT, [tenantId, handoffId]));
  }

  requeue(tx: Tx, tenantId: string, handoffId: string): Promise<Stepped> {
    return one(tx.query<Row>(REQUEUE, [tenantId, handoffId]));
  }

  end(tx: Tx, tenantId: string, handoffId: string, state: 'closed' | 'returned'): Promise<Stepped> {
    return one(tx.query<Row>(END, [tenantId, handoffId, state]));
  }

  /** Puts offers of all tenants that ran out back into their queues. */
  async expireOffers(tx: Tx, limit: number): Promise<ExpiredOffer[]> {
    type ExpiredRow = Row & {
      tenant_id: string;
      offered_to: string;
      channel: string;
      person_hash: Buffer | null;
    };
    const { rows } = await tx.query<ExpiredRow>(EXPIRED, [limit]);
    return rows.map((row) => ({
      ...stepped(row),
      tenantId: row.tenant_id,
      offeredTo: row.offered_to,
      channel: row.channel,
      personHash: row.person_hash ?? undefined,
    }));
  }
}

const one = async (result: Promise<{ rows: Row[] }>): Promise<Stepped> => stepped((await result).rows[0]!);

const stepped = (row: Row): Stepped => ({ handoff: handoffOf(row), atMs: row.last_step });

export const handoffOf = (row: Row): Handoff => ({
  handoffId: row.handoff_id,
  conversationId: row.conversation_id,
  state: row.state,
  reason: row.reason,
  requestedBy: row.requested_by,
  requestedAtMs: row.requested,
  queue: row.queue,
  priority: row.priority,
  claimedBy: row.claimed_by,
  claimedAtMs: row.claimed ?? 0,
  offerUntilMs: row.offer_until ?? 0,
  fencingToken: BigInt(row.fencing_token),
  attempts: row.attempts,
});
