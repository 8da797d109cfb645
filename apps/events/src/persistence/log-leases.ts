import { ShardLeases } from '@posthorn/postgres/shard-leases.js';

/**
 * The lanes of the log that this process projects.
 * Why not given back by the shutdown hook itself: all hooks of that kind run at once, and the pool that is
 * needed for it closes in one of them. The loop gives them back as the last thing it does.
 */
export class LogLeases extends ShardLeases {
  override onApplicationShutdown(): Promise<void> {
    return Promise.resolve();
  }

  /** Gives all lanes back at once. */
  giveBack(): Promise<void> {
    return super.onApplicationShutdown();
  }
}
