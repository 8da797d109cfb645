import type { Tx } from './database.js';

/** How far a shard's log has been read: an incarnation of the log, and the last sequence in it. */
export interface LogPosition {
  readonly epoch: string;
  readonly sequence: bigint;
}

/** The same, reached by whoever held the lease of that epoch. */
export interface LeasedPosition extends LogPosition {
  readonly shard: number;
  readonly leaseEpoch: bigint;
}

/** How far each shard has been read, in a table with the columns `shard`, `fact_epoch` and `fact_sequence`. */
export class ShardPositions {
  private readonly name: string;

  /** @param table of the schema; the one of the leases without it. */
  constructor(
    private readonly schema: string,
    private readonly table = 'shard',
  ) {
    this.name = `${schema}.${table}`;
  }

  async read(db: Pick<Tx, 'query'>, shards: readonly number[]): Promise<Map<number, LogPosition>> {
    const { rows } = await db.query<{ shard: number; fact_epoch: string; fact_sequence: string }>(
      {
        name: `read_positions_${this.table}`,
        text: `SELECT shard, fact_epoch, fact_sequence FROM ${this.name} WHERE shard = ANY ($1::smallint[])`,
      },
      [shards],
    );
    return new Map(
      rows.map((row) => [row.shard, { epoch: row.fact_epoch, sequence: BigInt(row.fact_sequence) }]),
    );
  }

  /** Moves shards on, in their order; one whose lease is no longer that one stays where it is. */
  async write(db: Pick<Tx, 'query'>, positions: readonly LeasedPosition[]): Promise<void> {
    const ordered = [...positions].sort((a, b) => a.shard - b.shard);
    await db.query(
      {
        name: `write_positions_${this.table}`,
        text: `UPDATE ${this.name} AS place SET fact_epoch = moved.epoch, fact_sequence = moved.sequence
               FROM (SELECT position.shard, position.epoch, position.sequence
                     FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[])
                            AS position (shard, lease_epoch, epoch, sequence)
                     JOIN ${this.schema}.shard AS held
                       ON held.shard = position.shard AND held.epoch = position.lease_epoch
                     ORDER BY held.shard FOR NO KEY UPDATE OF held) AS moved
               WHERE place.shard = moved.shard`,
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
