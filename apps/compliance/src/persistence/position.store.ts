import { ShardPositions } from '@posthorn/postgres/shard-positions.js';
import { SCHEMA } from './roles.js';

/** How far this service has read the facts. */
export class PositionStore extends ShardPositions {
  constructor() {
    super(SCHEMA);
  }
}

/** The same for the texts, which have positions of their own. */
export class TextPositionStore extends ShardPositions {
  constructor() {
    super(SCHEMA, 'text_position');
  }
}
