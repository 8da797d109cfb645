import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { FactFeed } from '@posthorn/jetstream/fact-feed.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Health } from '@posthorn/server/health.js';
import type { ComplianceMetrics } from './compliance-metrics.js';

const INTERVAL_MS = 2_000;

/** Says whether this process can work, and how far behind it is. */
export class WatchState {
  private timer: NodeJS.Timeout | undefined;
  private isStoreThere = true;

  constructor(
    private readonly db: Database,
    private readonly edge: EdgeConfig,
    private readonly feed: FactFeed,
    private readonly health: Health,
    private readonly metrics: ComplianceMetrics,
  ) {}

  /** @throws AppError `config.invalid` when Postgres may forget, `store.unavailable`: nothing works without it. */
  async onApplicationBootstrap(): Promise<void> {
    await this.db.verifyDurability();
    this.health.add('store', () => this.isStoreThere || 'Postgres does not answer');
    this.health.add('configuration', () => this.edge.isReady || 'no snapshot from tenants yet');
    this.timer = setInterval(() => void this.look(), INTERVAL_MS);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    let behind = 0;
    for (const facts of this.feed.lag().values()) behind += facts;
    this.metrics.lag(behind, this.edge.contactAgeMs());
    this.isStoreThere = await this.db.ping();
  }
}
