import type { Clock } from '@posthorn/clock/clock.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { TenantsClient } from '../clients/tenants.client.js';
import { isFailing, type RefusedSource } from '../domain/failing-source.js';
import type { RefusedSourceRead } from '../persistence/refused-source.read.js';

/** Whoever holds this lane looks. Two at once would do no harm: an owner is told once. */
const LOOK_SHARD = 0;
const LOOK_INTERVAL_MS = 5 * 60_000;
/** Of one round; the next goes on. */
const SOURCES_MAX = 500;

/**
 * Has owners told of sources that fail. Every source that had requests refused is looked at again and again, and tenants
 * knows what was told: so nothing is kept of it here, and what a round could not say is said by a later one.
 */
export class ReportFailingSources {
  private readonly rounds: Rounds;
  private after: RefusedSource | undefined;

  constructor(
    private readonly sources: Pick<RefusedSourceRead, 'page'>,
    private readonly tenants: Pick<TenantsClient, 'reportFailingSource'>,
    private readonly leases: Pick<ShardLeases, 'held'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
    lookIntervalMs = LOOK_INTERVAL_MS,
  ) {
    this.rounds = new Rounds(lookIntervalMs, () => this.round());
  }

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. @returns of how many sources somebody is told now. @throws AppError of the call to tenants. */
  async run(sourcesMax = SOURCES_MAX): Promise<number> {
    const nowMs = this.clock.nowMs();
    const page = await this.sources.page(this.after, sourcesMax, nowMs);
    let count = 0;
    for (const source of page) {
      if (this.rounds.isStopped) return count;
      // Before it is told: one that cannot be is not in the way of the others.
      this.after = source;
      if (isFailing(source, nowMs) && (await this.tenants.reportFailingSource(source))) count += 1;
    }
    if (page.length < sourcesMax) this.after = undefined;
    if (count > 0) this.log.info({ stage: 'refusals', count }, 'owners are told of sources that fail');
    return count;
  }

  private async round(): Promise<void> {
    try {
      if (this.leases.held().has(LOOK_SHARD)) await this.run();
    } catch (err) {
      this.log.warn({ err, stage: 'refusals' }, 'owners are not told of sources that fail');
    }
  }
}
