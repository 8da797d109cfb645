import { Clock } from '@posthorn/clock/clock.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { Logger } from '@posthorn/server/logger.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { RetentionPolicies } from '@posthorn/server/retention-policies.js';
import { DestroyKeys } from './application/destroy-keys.js';
import { ErasePerson } from './application/erase-person.js';
import { KeepHouse } from './application/keep-house.js';
import { PassOnErasures } from './application/pass-on-erasures.js';
import { PurgeKeys } from './application/purge-keys.js';
import { ReplayErasures } from './application/replay-erasures.js';
import { RetainData } from './application/retain-data.js';
import { ComplianceChannel, ComplianceClient } from './clients/compliance.client.js';
import { DispatcherClient } from './clients/dispatcher.client.js';
import { ErasureJournal } from './clients/erasure-journal.js';
import { TenantsClient } from './clients/tenants.client.js';
import { type Config } from './config.js';
import { KeeperDatabase, WorkerDatabase } from './persistence/databases.js';
import { ErasureStore } from './persistence/erasure.store.js';
import { LogLeases } from './persistence/log-leases.js';
import { PurgeStore } from './persistence/purge.store.js';
import { RefusalStore } from './persistence/refusal.store.js';
import { RetentionStore } from './persistence/retention.store.js';
import { SealedRead } from './persistence/sealed.read.js';

/** What may not be kept any longer: erasures, retention, the end of data keys. */
export const keepingProviders = ({ config }: Process<Config>) => [
  provideValue(ErasureJournal, new ErasureJournal(config.erasureJournalDir)),
  provide(ErasureStore),
  provide(ErasePerson, KeeperDatabase, ErasureStore, ErasureJournal, Clock, Logger),
  provide(ReplayErasures, KeeperDatabase, ErasureStore, ErasureJournal, ErasePerson, Logger),
  provideFactory(
    PassOnErasures,
    (
      ...[db, store, dispatcher, compliance, clock, log]: [
        ...[KeeperDatabase, ErasureStore, DispatcherClient, ComplianceClient],
        ...[Clock, Logger],
      ]
    ) =>
      new PassOnErasures(
        db,
        store,
        {
          dispatcher: (order) => dispatcher.erasePerson(order.tenantId, order.actor, order.personHashes),
          compliance: (order) => compliance.erasePerson(order.tenantId, order.actor, order.personHashes),
        },
        clock,
        log,
      ),
    ...([KeeperDatabase, ErasureStore, DispatcherClient, ComplianceClient, Clock, Logger] as const),
  ),
  provide(SealedRead),
  provide(
    DestroyKeys,
    ...([KeeperDatabase, SealedRead, RetentionStore, EdgeConfig, DispatcherClient, TenantsClient] as const),
    ...([Clock, Logger] as const),
  ),
  provide(RetentionPolicies, ComplianceChannel),
  provide(RetentionStore),
  provide(
    RetainData,
    ...([KeeperDatabase, WorkerDatabase, RetentionStore, RefusalStore, RetentionPolicies] as const),
    ...([EdgeConfig, Clock, Logger] as const),
  ),
  provide(PurgeStore),
  provide(PurgeKeys, KeeperDatabase, PurgeStore),
  provide(
    KeepHouse,
    ...([ReplayErasures, ErasePerson, PassOnErasures, RetainData, DestroyKeys, PurgeKeys] as const),
    ...([LogLeases, Clock, Logger] as const),
  ),
];
