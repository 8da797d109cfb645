import { Clock } from '@posthorn/clock/clock.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { CounterRates } from '@posthorn/postgres/counter-rates.js';
import { Logger } from '@posthorn/server/logger.js';
import { provide, provideFactory } from '@posthorn/server/provide.js';
import { AppendRequests } from './application/append-requests.js';
import { ReportStatus } from './application/report-status.js';
import { KeeperDatabase, WorkerDatabase } from './persistence/databases.js';
import { SourceFiguresRead } from './persistence/source-figures.read.js';
import { LOG_COUNTERS, StatusRead } from './persistence/status.read.js';

/** What operators see of this service. */
export const statusProviders = () => [
  provide(StatusRead, WorkerDatabase, KeeperDatabase),
  provide(SourceFiguresRead, WorkerDatabase, KeeperDatabase),
  provideFactory(
    CounterRates,
    (db: WorkerDatabase, clock: Clock, log: Logger) => new CounterRates(db, LOG_COUNTERS, clock, log),
    ...([WorkerDatabase, Clock, Logger] as const),
  ),
  provide(ReportStatus, StatusRead, CounterRates, AppendRequests, NatsLink, Clock),
];
