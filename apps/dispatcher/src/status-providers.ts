import { Clock } from '@posthorn/clock/clock.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { CounterRates } from '@posthorn/postgres/counter-rates.js';
import { Logger } from '@posthorn/server/logger.js';
import { provide, provideFactory } from '@posthorn/server/provide.js';
import { ReportStatus } from './application/report-status.js';
import { RunDeliveries } from './application/run-deliveries.js';
import { EventsClient } from './clients/events.client.js';
import { WorkerDatabase } from './persistence/databases.js';
import { PositionStore } from './persistence/position.store.js';
import { SourceDeathsRead } from './persistence/source-deaths.read.js';
import { OUT_COUNTERS, StatusRead } from './persistence/status.read.js';

/** What operators see of this service. */
export const statusProviders = () => [
  provide(StatusRead, WorkerDatabase),
  provide(SourceDeathsRead, WorkerDatabase),
  provideFactory(
    CounterRates,
    (db: WorkerDatabase, clock: Clock, log: Logger) => new CounterRates(db, OUT_COUNTERS, clock, log),
    ...([WorkerDatabase, Clock, Logger] as const),
  ),
  provide(
    ReportStatus,
    ...([WorkerDatabase, StatusRead, PositionStore, EventsClient, CounterRates] as const),
    ...([RunDeliveries, NatsLink, Clock] as const),
  ),
];
