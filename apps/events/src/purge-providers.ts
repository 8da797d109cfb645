import { Clock } from '@posthorn/clock/clock.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { TenantPurge } from '@posthorn/postgres/tenant-purge.js';
import { Logger } from '@posthorn/server/logger.js';
import { provideFactory } from '@posthorn/server/provide.js';
import { KeeperDatabase } from './persistence/databases.js';
import { PURGE_STEPS } from './persistence/purge-steps.js';
import { EVENTS_SCHEMA } from './persistence/schema.js';

/** What takes away what deleted tenants left. */
export const purgeProviders = () => [
  provideFactory(
    TenantPurge,
    (...[db, edge, clock, log]: [KeeperDatabase, EdgeConfig, Clock, Logger]) =>
      new TenantPurge(db, EVENTS_SCHEMA.schema, PURGE_STEPS, edge, clock, log),
    ...([KeeperDatabase, EdgeConfig, Clock, Logger] as const),
  ),
];
