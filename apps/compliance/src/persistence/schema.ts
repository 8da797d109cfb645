import type { SchemaDefinition } from '@posthorn/postgres/migrate.js';
import { SUPPRESSIONS } from './migrations/0001-suppressions.js';
import { PERMITS } from './migrations/0002-permits.js';
import { CONSENTS } from './migrations/0003-consents.js';
import { SCOPED_SIGNALS } from './migrations/0004-scoped-signals.js';
import { TOLD_STANDING } from './migrations/0005-told-standing.js';
import { TOLD_PERSONS } from './migrations/0006-told-persons.js';
import { AUDIT_OUTGOING } from './migrations/0007-audit-outgoing.js';
import { TENANT_PURGE } from './migrations/0008-tenant-purge.js';
import { MAIL_DELIVERIES } from './migrations/0009-mail-deliveries.js';
import { PERSON_KEYS, REVIEW_PERSONS } from './migrations/0010-person-keys.js';
import { STATISTICS } from './migrations/0011-statistics.js';
import { CLEAR_RECORD_INDEXES, SEALED_RECORDS } from './migrations/0012-sealed-records.js';
import { UNAUTHENTIC } from './migrations/0014-unauthentic.js';
import { WORKER_SEATS } from './migrations/0015-worker-seats.js';
import { IN_FORCE } from './migrations/0016-in-force.js';
import { STATISTICS_SAMPLE } from './migrations/0017-statistics-sample.js';
import { AUTOANALYZE } from './migrations/0018-autoanalyze.js';
import { READER_ROLE, SCHEMA, WORKER_ROLE } from './roles.js';

/** The schema of this service: who may log in, and how it came to be. */
export const COMPLIANCE_SCHEMA: SchemaDefinition = {
  schema: SCHEMA,
  roles: [WORKER_ROLE, READER_ROLE],
  migrations: [
    SUPPRESSIONS,
    PERMITS,
    CONSENTS,
    SCOPED_SIGNALS,
    TOLD_STANDING,
    TOLD_PERSONS,
    AUDIT_OUTGOING,
    TENANT_PURGE,
    MAIL_DELIVERIES,
    PERSON_KEYS,
    REVIEW_PERSONS,
    STATISTICS,
    SEALED_RECORDS,
    CLEAR_RECORD_INDEXES,
    UNAUTHENTIC,
    WORKER_SEATS,
    IN_FORCE,
    STATISTICS_SAMPLE,
    AUTOANALYZE,
  ],
};
