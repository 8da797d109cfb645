import type { Tx } from '@posthorn/postgres/database.js';
import { byteaArray, textArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** A conversation, and whom somebody is about to write to in it. IDs and hash are 16 bytes; the hash may be empty. */
export interface OwnerQuestion {
  readonly tenantId: Buffer;
  readonly conversationId: Buffer;
  readonly personHash: Buffer;
  readonly channel: string;
}

/** Who has it, and since when that person is silent. */
export interface OwnerAnswer {
  /** Of the hand-off that is open; empty when none is. */
  readonly handoffState: string;
  /** Of its claim. */
  readonly fencingToken: bigint;
  /** Whether it is a conversation with that person on that channel; `unknown` when there is none. */
  readonly contact: 'same' | 'other' | 'unknown';
  /** When the person last wrote into it, Unix milliseconds: 0 for never, or when it is with somebody else. */
  readonly lastInboundAtMs: number;
}

interface Row {
  readonly state: string | null;
  readonly fencing_token: string | null;
  readonly is_same: boolean | null;
  readonly last_inbound: number | null;
}

const OWNERS = {
  name: 'owners_of',
  text: `SELECT h.state, h.fencing_token,
           CASE WHEN c.conversation_id IS NOT NULL
             THEN (c.person_hash = q.person_hash AND c.channel = q.channel) IS TRUE END AS is_same,
           date_part('epoch', c.last_inbound_at) * 1000 AS last_inbound
         FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[])
           WITH ORDINALITY AS q (tenant_id, conversation_id, person_hash, channel, place)
         LEFT JOIN events.conversation c
           ON c.tenant_id = q.tenant_id AND c.conversation_id = q.conversation_id
         LEFT JOIN events.handoff h
           ON h.tenant_id = q.tenant_id AND h.conversation_id = q.conversation_id
           AND h.state IN ('escalated', 'claimed')
         ORDER BY q.place`,
};

/** Reads who conversations belong to, of many tenants at once: for the platform's own services alone. */
export class OwnerRead {
  /** @returns one answer for each question, in order. */
  async owners(db: Pick<Tx, 'query'>, questions: readonly OwnerQuestion[]): Promise<OwnerAnswer[]> {
    const { rows } = await db.query<Row>(OWNERS, [
      uuidArray(questions.map(({ tenantId }) => tenantId)),
      uuidArray(questions.map(({ conversationId }) => conversationId)),
      byteaArray(questions.map(({ personHash }) => personHash)),
      textArray(questions.map(({ channel }) => channel)),
    ]);
    return rows.map(answerOf);
  }
}

const answerOf = ({ state, fencing_token, is_same, last_inbound }: Row): OwnerAnswer => ({
  handoffState: state ?? '',
  fencingToken: BigInt(fencing_token ?? 0),
  contact: is_same === null ? 'unknown' : is_same ? 'same' : 'other',
  lastInboundAtMs: is_same === true ? (last_inbound ?? 0) : 0,
});
