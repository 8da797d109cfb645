import type { ShardPosition } from '@posthorn/jetstream/waiting-positions.js';
import type { Tx } from '@posthorn/postgres/database.js';

/** How far this service has read the facts. */
export class PositionStore {
  async read(
    tx: Pick<Tx, 'query'>,
    shards: readonly number[],
  ): Promise<Map<number, { epoch: string; sequence: bigint }>> {
    const { rows } = await tx.query<{ shard: number; fact_epoch: string; fact_sequence: string }>(
      {
        name: 'fact_positions',
        text: 'SELECT shard, fact_epoch, fact_sequence FROM compliance.shard WHERE shard = ANY ($1::smallint[])',
      },
      [shards],
    );
    return new Map(
      rows.map(({ shard, fact_epoch, fact_sequence }) => [
        shard,
        { epoch: fact_epoch, sequence: BigInt(fact_sequence) },
      ]),
    );
  }

  /** Moves shards on; one whose lease is no longer that one stays where it is. */
  async write(tx: Pick<Tx, 'query'>, positions: readonly ShardPosition[]): Promise<void> {
    const ordered = [...positions].sort((a, b) => a.shard - b.shard);
    await tx.query(
      {
        name: 'move_facts',
        text: `UPDATE compliance.shard AS shard SET fact_epoch = moved.epoch, fact_sequence = moved.sequence
               FROM (SELECT position.shard, position.epoch, position.sequence
                     FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[])
                            AS position (shard, lease_epoch, epoch, sequence)
                     JOIN compliance.shard AS held
                       ON held.shard = position.shard AND held.epoch = position.lease_epoch
                     ORDER BY held.shard FOR NO KEY UPDATE OF held) AS moved
               WHERE shard.shard = moved.shard`,
      },
      columnsOf(ordered),
    );
  }

  /** The same for the texts, which have positions of their own. */
  async readTexts(
    tx: Pick<Tx, 'query'>,
    shards: readonly number[],
  ): Promise<Map<number, { epoch: string; sequence: bigint }>> {
    const { rows } = await tx.query<{ shard: number; fact_epoch: string; fact_sequence: string }>(
      {
        name: 'text_positions',
        text: 'SELECT shard, fact_epoch, fact_sequence FROM compliance.text_position WHERE shard = ANY ($1::smallint[])',
      },
      [shards],
    );
    return new Map(
      rows.map((row) => [row.shard, { epoch: row.fact_epoch, sequence: BigInt(row.fact_sequence) }]),
    );
  }

  /** Moves the texts' positions on; a shard whose lease is no longer that one stays where it is. */
  async writeTexts(tx: Pick<Tx, 'query'>, positions: readonly ShardPosition[]): Promise<void> {
    const ordered = [...positions].sort((a, b) => a.shard - b.shard);
    await tx.query(
      {
        name: 'move_texts',
        text: `UPDATE compliance.text_position SET fact_epoch = moved.epoch, fact_sequence = moved.sequence
               FROM (SELECT position.shard, position.epoch, position.sequence
                     FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[])
                            AS position (shard, lease_epoch, epoch, sequence)
                     JOIN compliance.shard AS held
                       ON held.shard = position.shard AND held.epoch = position.lease_epoch
                     ORDER BY held.shard FOR NO KEY UPDATE OF held) AS moved
               WHERE text_position.shard = moved.shard`,
      },
      columnsOf(ordered),
    );
  }
}

const columnsOf = (positions: readonly ShardPosition[]): unknown[] => [
  positions.map(({ shard }) => shard),
  positions.map(({ leaseEpoch }) => String(leaseEpoch)),
  positions.map(({ epoch }) => epoch),
  positions.map(({ sequence }) => String(sequence)),
];
