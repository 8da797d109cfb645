import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { FactFeed } from '@posthorn/jetstream/fact-feed.js';
import type { Database } from '@posthorn/postgres/database.js';
import { untilDurable } from '@posthorn/postgres/store-readiness.js';
import type { Health } from '@posthorn/server/health.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Backlog } from './backlog.js';
import type { ComplianceMetrics } from './compliance-metrics.js';
import type { PermitMetrics } from './permit-metrics.js';

const INTERVAL_MS = 2_000;

/** Says whether this process can work, and how far behind it is. */
export class WatchState {
  private timer: NodeJS.Timeout | undefined;
  private isStoreThere = true;

  constructor(
    private readonly db: Database,
    private readonly edge: EdgeConfig,
    private readonly feed: FactFeed,
    private readonly texts: FactFeed,
    private readonly backlog: Backlog,
    private readonly health: Health,
    private readonly metrics: ComplianceMetrics,
    private readonly permits: PermitMetrics,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  /** Waits for Postgres. @throws AppError `config.invalid` when it may forget. */
  async onApplicationBootstrap(): Promise<void> {
    await untilDurable(this.db, this.log);
    this.health.add('store', () => this.isStoreThere || 'Postgres does not answer');
    this.health.add('configuration', () => this.edge.isReady || 'no snapshot from tenants yet');
    this.timer = setInterval(() => void this.look(), INTERVAL_MS);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    this.metrics.lag(lagOf(this.feed), lagOf(this.texts), this.edge.contactAgeMs());
    this.permits.behindBy(this.backlog.ageMs());
    this.isStoreThere = await this.db.ping();
  }
}

const lagOf = (feed: FactFeed): number => [...feed.lag().values()].reduce((sum, facts) => sum + facts, 0);
