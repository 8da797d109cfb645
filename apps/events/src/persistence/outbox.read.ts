import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { Database, Statement } from '@posthorn/postgres/database.js';
import { decodeFact } from './fact.codec.js';
import { EPOCH_SQL } from './log.read.js';

/** One page of a lane's facts. */
export interface FactPage {
  readonly epoch: string;
  readonly headSequence: bigint;
  readonly facts: Fact[];
}

const PAGE: Statement = {
  name: 'outbox_page',
  text: `
SELECT ${EPOCH_SQL} AS epoch, s.head_sequence AS head, o.fact
FROM events.shard s
LEFT JOIN LATERAL (
  SELECT sequence, fact FROM events.outbox
  WHERE shard = s.shard AND sequence > $2::int8
  ORDER BY sequence LIMIT $3::int
) o ON true
WHERE s.shard = $1::int2
ORDER BY o.sequence`,
};

const HEADS: Statement = {
  name: 'outbox_heads',
  text: `SELECT ${EPOCH_SQL} AS epoch, shard, head_sequence AS head FROM events.shard ORDER BY shard`,
};

/** Reads the outbox: facts as they were committed, lane by lane. */
export class OutboxRead {
  constructor(private readonly db: Pick<Database, 'query'>) {}

  /** The facts after a number, in order. @param shard 0–63. */
  async page(shard: number, afterSequence: bigint, limit: number): Promise<FactPage> {
    const { rows } = await this.db.query<{ epoch: string; head: string; fact: Buffer | null }>(PAGE, [
      shard,
      afterSequence.toString(),
      limit,
    ]);
    return {
      epoch: rows[0]!.epoch,
      headSequence: BigInt(rows[0]!.head),
      facts: rows.flatMap(({ fact }) => (fact === null ? [] : [decodeFact(fact)])),
    };
  }

  /** The last number of every lane. */
  async heads(): Promise<{ epoch: string; heads: { shard: number; sequence: bigint }[] }> {
    const { rows } = await this.db.query<{ epoch: string; shard: number; head: string }>(HEADS);
    const heads = rows.map(({ shard, head }) => ({ shard, sequence: BigInt(head) }));
    return { epoch: rows[0]!.epoch, heads };
  }
}
