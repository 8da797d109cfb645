import type { FactPosition } from '@posthorn/jetstream/fact-feed.js';
import type { ShardPosition } from '@posthorn/jetstream/waiting-positions.js';
import type { Tx } from '@posthorn/postgres/database.js';

/** How far the facts of each shard have been turned into deliveries. */
export class PositionStore {
  async read(tx: Pick<Tx, 'query'>, shards: readonly number[]): Promise<Map<number, FactPosition>> {
    const { rows } = await tx.query<{ shard: number; fact_epoch: string; fact_sequence: string }>(
      {
        name: 'read_positions',
        text: 'SELECT shard, fact_epoch, fact_sequence FROM dispatch.shard WHERE shard = ANY ($1::smallint[])',
      },
      [shards],
    );
    return new Map(
      rows.map((row) => [row.shard, { epoch: row.fact_epoch, sequence: BigInt(row.fact_sequence) }]),
    );
  }

  /** Moves shards on, in their order; one whose lease is no longer that one stays where it is. */
  async write(tx: Pick<Tx, 'query'>, positions: readonly ShardPosition[]): Promise<void> {
    const ordered = [...positions].sort((a, b) => a.shard - b.shard);
    await tx.query(
      {
        name: 'write_positions',
        text: `UPDATE dispatch.shard AS shard SET fact_epoch = moved.epoch, fact_sequence = moved.sequence
               FROM (SELECT position.shard, position.epoch, position.sequence
                     FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[])
                            AS position (shard, lease_epoch, epoch, sequence)
                     JOIN dispatch.shard AS held
                       ON held.shard = position.shard AND held.epoch = position.lease_epoch
                     ORDER BY held.shard FOR NO KEY UPDATE OF held) AS moved
               WHERE shard.shard = moved.shard`,
      },
      [
        ordered.map(({ shard }) => shard),
        ordered.map(({ leaseEpoch }) => String(leaseEpoch)),
        ordered.map(({ epoch }) => epoch),
        ordered.map(({ sequence }) => String(sequence)),
      ],
    );
  }
}
