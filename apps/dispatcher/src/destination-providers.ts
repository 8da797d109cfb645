import { Clock } from '@posthorn/clock/clock.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory } from '@posthorn/server/provide.js';
import { DestinationMetrics } from './application/destination-metrics.js';
import { NoteFailures } from './application/note-failures.js';
import { RelayWake } from './application/relay-wake.js';
import { ReportDestinations } from './application/report-destinations.js';
import { TenantsChannel, TenantsClient } from './clients/tenants.client.js';
import { type Config } from './config.js';
import { brokenAfter } from './domain/destination-health.js';
import { WorkerDatabase } from './persistence/databases.js';
import { DeliveryLeases } from './persistence/delivery-leases.js';
import { DestinationFailureStore } from './persistence/destination-failure.store.js';
import { DestinationReportStore } from './persistence/destination-report.store.js';
import { OutgoingStore } from './persistence/outgoing.store.js';

/** Destinations that stay broken. */
export function destinationProviders({ config, clock, log }: Process<Config>) {
  const rule = brokenAfter(config.destinationFailingHours);
  return [
    provide(DestinationMetrics, Metrics),
    provide(DestinationFailureStore),
    provide(DestinationReportStore),
    provide(TenantsClient, TenantsChannel),
    provideFactory(
      NoteFailures,
      (...[db, failures, reports]: [WorkerDatabase, DestinationFailureStore, DestinationReportStore]) =>
        new NoteFailures(db, failures, reports, clock, log, rule),
      ...([WorkerDatabase, DestinationFailureStore, DestinationReportStore] as const),
    ),
    provide(
      ReportDestinations,
      ...([WorkerDatabase, DestinationReportStore, OutgoingStore, TenantsClient, DeliveryLeases] as const),
      ...([RelayWake, Clock, DestinationMetrics, Logger] as const),
    ),
  ];
}
