import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import type { CounterRates } from '@posthorn/postgres/counter-rates.js';
import type { Database } from '@posthorn/postgres/database.js';
import { SHARD_COUNT } from '@posthorn/postgres/shard-leases.js';
import { factsBehind, type StageView, troubleIf } from '@posthorn/server/stage-status.js';
import type { EventsClient } from '../clients/events.client.js';
import type { PositionStore } from '../persistence/position.store.js';
import { type ConsentStatus, PENDING_COUNT_MAX, type StatusRead } from '../persistence/status.read.js';
import { type Backlog, BEHIND_MS_MAX } from './backlog.js';

/** Written within a moment, as its fact comes, or else within seconds; what waits longer was left behind. */
export const PENDING_MS_MAX = 5_000;
const MS = 1_000;
const SHARDS = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);

/** What this service says of its stage: what the facts say about persons, in force. */
export class ReportStatus {
  constructor(
    private readonly db: Database,
    private readonly read: Pick<StatusRead, 'consent'>,
    private readonly positions: PositionStore,
    private readonly events: Pick<EventsClient, 'getHeads'>,
    private readonly backlog: Pick<Backlog, 'ageMs'>,
    private readonly rates: Pick<CounterRates, 'perSecond'>,
    private readonly link: Pick<NatsLink, 'isConnected'>,
    private readonly clock: Clock,
  ) {}

  /** Whether the broker is reached from here. */
  get isBrokerThere(): boolean {
    return this.link.isConnected;
  }

  /** @throws AppError `store.unavailable` */
  async run(): Promise<{ readonly stages: StageView[]; readonly behind: number | undefined }> {
    const [status, behind] = await Promise.all([this.read.consent(this.db), this.behind()]);
    const ageMs = this.backlog.ageMs();
    const lagMs = Number.isFinite(ageMs) ? ageMs : undefined;
    return { stages: [this.stage(status, behind, lagMs)], behind };
  }

  private stage(
    { pending, pendingSinceMs, untold }: ConsentStatus,
    behind: number | undefined,
    lagMs: number | undefined,
  ): StageView {
    const waitedMs = pendingSinceMs === undefined ? 0 : this.clock.nowMs() - pendingSinceMs;
    return {
      stage: 'compliance',
      ...{ depth: behind, lagMs, oldestAtMs: pendingSinceMs, ratePerSecond: this.rates.perSecond('facts') },
      troubles: [
        ...troubleIf(lagMs === undefined || lagMs > BEHIND_MS_MAX, 'backlog', () =>
          lagMs === undefined
            ? 'how far behind the log it is is not known: no message gets a permit'
            : `it is ${Math.round(lagMs / MS)} s behind the log: no message gets a permit`,
        ),
        ...troubleIf(
          waitedMs > PENDING_MS_MAX,
          'backlog',
          () => `${countOf(pending)} opt-outs are not written, the oldest for ${Math.round(waitedMs / MS)} s`,
        ),
        ...troubleIf(untold > PENDING_COUNT_MAX, 'backlog', () => `${untold} changes are not in the log yet`),
      ],
    };
  }

  /** What is said without events is still worth saying. */
  private async behind(): Promise<number | undefined> {
    try {
      const { epoch, heads } = await this.events.getHeads();
      const positions = await this.positions.read(this.db, SHARDS);
      return factsBehind({
        ...{ epoch, positions },
        heads: new Map(heads.map(({ shard, sequence }) => [shard, sequence])),
      });
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }
}

const countOf = (count: number): string => (count < PENDING_COUNT_MAX ? String(count) : `${count} or more`);
