import { Clock } from '@posthorn/clock/clock.js';
import { idOfUuid } from '@posthorn/clock/id.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { Database } from '@posthorn/postgres/database.js';
import { Logger } from '@posthorn/server/logger.js';
import { provide, provideFactory } from '@posthorn/server/provide.js';
import { ComplianceMetrics } from './application/compliance-metrics.js';
import { SealRecords } from './application/seal-records.js';
import { type PersonKeyOf, PersonKeys } from './domain/person-keys.js';
import { type RecordBoxOf, RecordSeals } from './domain/record-seals.js';
import { ClearRecordStore } from './persistence/clear-record.store.js';
import { ConsentRead } from './persistence/consent.read.js';
import { ConsentStore } from './persistence/consent.store.js';
import { HistoryRead } from './persistence/history.read.js';
import { PersonKeyStore } from './persistence/person-key.store.js';
import { ReviewStore } from './persistence/review.store.js';
import { SuppressionStore } from './persistence/suppression.store.js';

/** The keys that the configuration has; nobody has those of a tenant that is gone. */
const personKeyIn =
  (edge: EdgeConfig): PersonKeyOf =>
  (tenantId, generation) => {
    const tenant = edge.tenant(idOfUuid('ten', tenantId));
    if (tenant === undefined) return edge.isReady ? 'gone' : undefined;
    return tenant.personKey(generation);
  };

/** A tenant that is not known has no key in memory; only one that is known can be without. */
const recordBoxIn =
  (edge: EdgeConfig): RecordBoxOf =>
  (tenantId) => {
    const tenant = edge.tenant(idOfUuid('ten', tenantId));
    return tenant?.hasRecordKey === false ? 'none' : tenant?.recordBox;
  };

/** What names persons by a key of the tenant, and what seals what is kept of them in words. */
export const keyedProviders = () => [
  provideFactory(PersonKeys, (edge: EdgeConfig) => new PersonKeys(personKeyIn(edge)), EdgeConfig),
  provide(PersonKeyStore, PersonKeys),
  provideFactory(RecordSeals, (edge: EdgeConfig) => new RecordSeals(recordBoxIn(edge)), EdgeConfig),
  provide(ConsentStore, RecordSeals),
  provide(ConsentRead, RecordSeals),
  provide(HistoryRead, RecordSeals),
  provide(ReviewStore, RecordSeals),
  provide(SuppressionStore, RecordSeals),
  provide(ClearRecordStore),
  provide(
    SealRecords,
    ...([Database, ClearRecordStore, RecordSeals, EdgeConfig] as const),
    ...([ComplianceMetrics, Clock, Logger] as const),
  ),
];
