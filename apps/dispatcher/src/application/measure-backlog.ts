import type { Clock } from '@posthorn/clock/clock.js';
import type { BacklogRead } from '../persistence/backlog.read.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { CommandMetrics } from './command-metrics.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import type { RunCommands } from './run-commands.js';
import type { RunDeliveries } from './run-deliveries.js';
import { Rounds } from '@posthorn/clock/rounds.js';

const INTERVAL_MS = 5_000;

/**
 * Measures how long the oldest delivery and the oldest command of the shards held here have been due.
 * Why from the store: what found no room in memory waits nowhere else. What waits for one destination that is slow or
 * away is left out: that is the destination's backlog, not ours.
 */
export class MeasureBacklog {
  private readonly rounds = new Rounds(INTERVAL_MS, () => this.measure());
  /** While the store does not answer, what was the oldest goes on waiting. */
  private oldest: { readonly delivery: number | undefined; readonly command: number | undefined } = {
    delivery: undefined,
    command: undefined,
  };

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly backlog: BacklogRead,
    private readonly leases: Pick<DeliveryLeases, 'held'>,
    private readonly deliveries: Pick<RunDeliveries, 'fullLanes'>,
    private readonly commands: Pick<RunCommands, 'fullLanes'>,
    private readonly clock: Clock,
    private readonly deliveryMetrics: Pick<DeliveryMetrics, 'setOldest'>,
    private readonly commandMetrics: Pick<CommandMetrics, 'setOldest'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** Never rejects. */
  async measure(): Promise<void> {
    const nowMs = this.clock.nowMs();
    const shards = [...this.leases.held().keys()];
    const [withoutDeliveries, withoutCommands] = [this.deliveries.fullLanes(), this.commands.fullLanes()];
    try {
      const [delivery, command] = await Promise.all([
        this.backlog.oldestDelivery(this.db, shards, withoutDeliveries, nowMs),
        this.backlog.oldestCommand(this.db, shards, withoutCommands, nowMs),
      ]);
      this.oldest = { delivery, command };
    } catch {
      // The ages grow; that the store is away is told by its own check.
    }
    const { delivery = nowMs, command = nowMs } = this.oldest;
    this.deliveryMetrics.setOldest(Math.max(0, nowMs - delivery));
    this.commandMetrics.setOldest(Math.max(0, nowMs - command));
  }
}
