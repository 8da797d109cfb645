import { ShardLeases } from '@posthorn/postgres/shard-leases.js';

/**
 * The shards whose deliveries this process makes.
 * Why not given back by the shutdown hook itself: all hooks of that kind run at once, and the pool that is
 * needed for it closes in one of them. The lifecycle gives them back as the last thing it does.
 */
export class DeliveryLeases extends ShardLeases {
  override onApplicationShutdown(): Promise<void> {
    return Promise.resolve();
  }

  /** Gives all shards back at once. */
  giveBack(): Promise<void> {
    return super.onApplicationShutdown();
  }
}
