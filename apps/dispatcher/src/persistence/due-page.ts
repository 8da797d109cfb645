/** Where a scan of what is due in one shard goes on. */
export interface DueCursor {
  readonly shard: number;
  /** As Postgres writes a time. */
  readonly dueAt: string;
  /** UUID text. */
  readonly id: string;
}

/** What is due, and after the last row of each shard where to go on. */
export interface DuePage<Item> {
  readonly items: Item[];
  readonly rowsOfShard: ReadonlyMap<number, number>;
  readonly cursors: ReadonlyMap<number, DueCursor>;
}
