import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import type { CounterRates } from '@posthorn/postgres/counter-rates.js';
import { SHARD_COUNT } from '@posthorn/postgres/shard-leases.js';
import { factsBehind, type StageView } from '@posthorn/server/stage-status.js';
import type { EventsClient } from '../clients/events.client.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { PositionStore } from '../persistence/position.store.js';
import type { StatusRead } from '../persistence/status.read.js';
import { DEAD_RECENT_MS, judgeOut } from './judge-out.js';
import type { RunDeliveries } from './run-deliveries.js';

const SHARDS = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);

/** What this service says of its stages: deliveries, dead letters, sends. */
export class ReportStatus {
  constructor(
    private readonly db: WorkerDatabase,
    private readonly read: Pick<StatusRead, 'out'>,
    private readonly positions: PositionStore,
    private readonly events: Pick<EventsClient, 'getHeads'>,
    private readonly rates: Pick<CounterRates, 'perSecond'>,
    private readonly deliveries: Pick<RunDeliveries, 'depths'>,
    private readonly link: Pick<NatsLink, 'isConnected'>,
    private readonly clock: Clock,
  ) {}

  /** Whether the broker is reached from here. */
  get isBrokerThere(): boolean {
    return this.link.isConnected;
  }

  /** @throws AppError `store.unavailable` */
  async run(): Promise<{ readonly stages: StageView[]; readonly behind: number | undefined }> {
    const nowMs = this.clock.nowMs();
    const [out, behind] = await Promise.all([this.read.out(nowMs - DEAD_RECENT_MS), this.behind()]);
    const stages = judgeOut({
      ...{ out, nowMs, factsBehind: behind, breakers: this.deliveries.depths.breakers },
      attemptsPerSecond: this.rates.perSecond('attempts'),
      sendsPerSecond: this.rates.perSecond('sends'),
    });
    return { stages, behind };
  }

  /** What is said without events is still worth saying. */
  private async behind(): Promise<number | undefined> {
    try {
      const { epoch, heads } = await this.events.getHeads();
      const positions = await this.positions.read(this.db, SHARDS);
      return factsBehind({
        epoch,
        heads: new Map(heads.map(({ shard, sequence }) => [shard, sequence])),
        positions,
      });
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }
}
