import type { SchemaDefinition } from '@posthorn/postgres/migrate.js';
import { DELIVERIES } from './migrations/0001-deliveries.js';
import { COMMANDS } from './migrations/0002-commands.js';
import { ERASURE } from './migrations/0003-erasure.js';
import { RETENTION } from './migrations/0004-retention.js';
import { AUDIT_OUTGOING } from './migrations/0005-audit-outgoing.js';
import { TENANT_PURGE } from './migrations/0006-tenant-purge.js';
import { STATISTICS } from './migrations/0007-statistics.js';
import { DESTINATION_HEALTH } from './migrations/0008-destination-health.js';
import { WORKER_SEATS } from './migrations/0009-worker-seats.js';
import { STATISTICS_SAMPLE } from './migrations/0010-statistics-sample.js';
import { AUTOANALYZE } from './migrations/0011-autoanalyze.js';
import { ROLES } from './roles.js';

export const SCHEMA = 'dispatch';

/** The schema of this service: who may log in, and how it came to be. */
export const DISPATCH_SCHEMA: SchemaDefinition = {
  schema: SCHEMA,
  roles: Object.values(ROLES),
  migrations: [
    ...[DELIVERIES, COMMANDS, ERASURE, RETENTION, AUDIT_OUTGOING, TENANT_PURGE, STATISTICS],
    ...[DESTINATION_HEALTH, WORKER_SEATS, STATISTICS_SAMPLE, AUTOANALYZE],
  ],
};
