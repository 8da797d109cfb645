import type { Tx } from '@posthorn/postgres/database.js';

/** How far the facts of a shard have been turned into deliveries. */
export interface ShardPosition {
  readonly shard: number;
  readonly epoch: string;
  readonly sequence: bigint;
}

/** The place in the facts of each shard. */
export class PositionStore {
  async read(tx: Tx, shards: readonly number[]): Promise<ShardPosition[]> {
    const { rows } = await tx.query<{ shard: number; fact_epoch: string; fact_sequence: string }>(
      {
        name: 'read_positions',
        text: 'SELECT shard, fact_epoch, fact_sequence FROM dispatch.shard WHERE shard = ANY ($1::smallint[])',
      },
      [shards],
    );
    return rows.map(({ shard, fact_epoch, fact_sequence }) => ({
      shard,
      epoch: fact_epoch,
      sequence: BigInt(fact_sequence),
    }));
  }

  /** Moves shards on. The caller's transaction has fenced them. */
  async write(tx: Tx, positions: readonly ShardPosition[]): Promise<void> {
    await tx.query(
      {
        name: 'write_positions',
        text: `UPDATE dispatch.shard s SET fact_epoch = p.epoch, fact_sequence = p.sequence
               FROM unnest($1::smallint[], $2::text[], $3::bigint[]) AS p (shard, epoch, sequence)
               WHERE s.shard = p.shard`,
      },
      [
        positions.map(({ shard }) => shard),
        positions.map(({ epoch }) => epoch),
        positions.map(({ sequence }) => String(sequence)),
      ],
    );
  }
}
