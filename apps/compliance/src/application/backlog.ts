import type { Clock } from '@posthorn/clock/clock.js';
import type { Database } from '@posthorn/postgres/database.js';
import { SHARD_COUNT } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { EventsClient } from '../clients/events.client.js';
import { type Heads, ShardLevels } from '../domain/shard-levels.js';
import type { PositionStore } from '../persistence/position.store.js';
import type { EdgeTenants } from './edge-tenants.js';

const INTERVAL_MS = 500;
/** No permit is given while the facts are applied later than that. */
export const BEHIND_MS_MAX = 10_000;
const SHARDS = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);

/**
 * How far what is committed here is behind the facts, over all processes of this service.
 * Each one asks for itself: a permit then needs no further read, and who has just started knows nothing, so it
 * permits nothing. Positions are read after the heads: what was a fact by then is in force.
 */
export class Backlog {
  private readonly levels = new ShardLevels(SHARD_COUNT, BEHIND_MS_MAX);
  private readonly rounds = new Rounds(INTERVAL_MS, () => this.look());
  private isFailing = false;

  constructor(
    private readonly db: Database,
    private readonly positions: PositionStore,
    private readonly events: Pick<EventsClient, 'getHeads'>,
    private readonly tenants: Pick<EdgeTenants, 'shardsOf'>,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.startNow();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** Whether all that the log says about a tenant's persons is in force, up to the budget. @param tenantId UUID text. */
  isCaughtUp(tenantId: string): boolean {
    return this.levels.isLevel(this.tenants.shardsOf(tenantId), this.clock.monotonicMs());
  }

  /** How long ago the shard that is furthest behind was level; Infinity before the first look. */
  ageMs(): number {
    return this.levels.ageMs(SHARDS, this.clock.monotonicMs());
  }

  private async look(): Promise<void> {
    try {
      const atMs = this.clock.monotonicMs();
      const { epoch, heads } = await this.events.getHeads();
      const sample: Heads = {
        epoch,
        atMs,
        heads: new Map(heads.map(({ shard, sequence }) => [shard, sequence])),
      };
      this.levels.observe(sample, await this.positions.read(this.db, SHARDS));
      this.isFailing = false;
    } catch (err) {
      if (!this.isFailing)
        this.log.warn({ err, stage: 'backlog' }, 'how far behind the log we are is not known');
      this.isFailing = true;
    }
  }
}
