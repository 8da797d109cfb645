import { ShardPositions } from '@posthorn/postgres/shard-positions.js';
import { SCHEMA } from './schema.js';

/** How far the facts of each shard have been turned into deliveries. */
export class PositionStore extends ShardPositions {
  constructor() {
    super(SCHEMA);
  }
}
