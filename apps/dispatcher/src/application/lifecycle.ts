import type { FactFeed } from '@posthorn/jetstream/fact-feed.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { AcceptFacts } from './accept-facts.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import type { LoadDeliveries } from './load-due.js';
import type { RecordOutcomes } from './record-outcomes.js';
import type { RunDeliveries } from './run-deliveries.js';

const GAUGE_INTERVAL_MS = 1_000;

/** How long the parts of the end may take, together less than a drain may. */
export class StopTimes {
  constructor(
    readonly attemptsMs: number,
    readonly outcomesMs: number,
  ) {}
}

/** Ends in the order in which work flows: no new facts, nothing more from the store, attempts, outcomes, leases. */
export class Lifecycle {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly feed: FactFeed,
    private readonly facts: Pick<AcceptFacts, 'close'>,
    private readonly due: LoadDeliveries,
    private readonly deliveries: RunDeliveries,
    private readonly outcomes: RecordOutcomes,
    private readonly leases: DeliveryLeases,
    private readonly metrics: DeliveryMetrics,
    private readonly times: StopTimes,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.report(), GAUGE_INTERVAL_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all([this.feed.onApplicationShutdown(), this.due.stop()]);
    await this.facts.close();
    await this.deliveries.stop(this.times.attemptsMs);
    const giveUp = setTimeout(() => this.outcomes.stop(), this.times.outcomesMs);
    await this.outcomes.flush();
    clearTimeout(giveUp);
    await this.leases.giveBack();
  }

  private report(): void {
    let behind = 0;
    for (const facts of this.feed.lag().values()) behind += facts;
    this.metrics.setDepths({ ...this.deliveries.depths, behind });
  }
}
