import type { Clock } from '@posthorn/clock/clock.js';
import type { CounterRates } from '@posthorn/postgres/counter-rates.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import type { StageView } from '@posthorn/server/stage-status.js';
import type { StatusRead } from '../persistence/status.read.js';
import type { AppendRequests } from './append-requests.js';
import { judgeLog } from './judge-log.js';

/** What this service says of its stages: append, projection, what was not understood or put aside, and publishing. */
export class ReportStatus {
  constructor(
    private readonly read: Pick<StatusRead, 'log'>,
    private readonly rates: Pick<CounterRates, 'perSecond'>,
    private readonly appends: Pick<AppendRequests, 'isFailing'>,
    private readonly link: Pick<NatsLink, 'isConnected'>,
    private readonly clock: Clock,
  ) {}

  /** Whether the broker is reached from here. */
  get isBrokerThere(): boolean {
    return this.link.isConnected;
  }

  /** @throws AppError `store.unavailable` */
  async run(): Promise<StageView[]> {
    const log = await this.read.log();
    const perSecond = (name: string): number | undefined => this.rates.perSecond(name);
    return judgeLog({
      log,
      nowMs: this.clock.nowMs(),
      isAppendFailing: this.appends.isFailing,
      isBrokerThere: this.link.isConnected,
      requestsPerSecond: perSecond('requests'),
      eventsPerSecond: perSecond('events'),
      refusalsPerSecond: perSecond('refusals'),
      factsPerSecond: perSecond('facts'),
      duplicatesPerSecond: perSecond('duplicates'),
      unrecognizedPerSecond: perSecond('unrecognized'),
    });
  }
}
