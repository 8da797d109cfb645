import type { SchemaDefinition } from '@posthorn/postgres/migrate.js';
import { EVENT_LOG } from './migrations/0001-event-log.js';
import { PROJECTION } from './migrations/0002-projection.js';
import { CONVERSATION_MESSAGES, CONVERSATIONS } from './migrations/0003-conversations.js';
import { KEEPING } from './migrations/0005-keeping.js';
import { RULES } from './migrations/0007-rules.js';
import { ERASURES_OWED } from './migrations/0008-erasures-owed.js';
import { AUDIT_OUTGOING } from './migrations/0009-audit-outgoing.js';
import { TENANT_PURGE } from './migrations/0010-tenant-purge.js';
import { DESTROYED_KEYS } from './migrations/0011-destroyed-keys.js';
import { REPROCESSING } from './migrations/0012-reprocessing.js';
import { BODY_SHAPES } from './migrations/0013-body-shapes.js';
import { SOURCE_HOURS } from './migrations/0014-source-hours.js';
import { MEDIA } from './migrations/0015-media.js';
import { MESSAGE_PARTS } from './migrations/0016-message-parts.js';
import { LOG_CONTINUITY } from './migrations/0017-log-continuity.js';
import { STATISTICS } from './migrations/0018-statistics.js';
import { SET_ASIDE } from './migrations/0019-set-aside.js';
import { WORKER_SEATS } from './migrations/0020-worker-seats.js';
import { STATISTICS_SAMPLE } from './migrations/0021-statistics-sample.js';
import { AUTOANALYZE } from './migrations/0022-autoanalyze.js';
import { FAILING_SOURCES } from './migrations/0023-failing-sources.js';
import { REBASE_LOG } from './log-continuity.js';
import { ROLES } from './roles.js';

/** The schema of this service: who may log in, and how it came to be. */
export const EVENTS_SCHEMA: SchemaDefinition = {
  schema: 'events',
  roles: Object.values(ROLES),
  migrations: [
    EVENT_LOG,
    PROJECTION,
    CONVERSATIONS,
    CONVERSATION_MESSAGES,
    KEEPING,
    RULES,
    ERASURES_OWED,
    AUDIT_OUTGOING,
    TENANT_PURGE,
    DESTROYED_KEYS,
    REPROCESSING,
    BODY_SHAPES,
    SOURCE_HOURS,
    MEDIA,
    MESSAGE_PARTS,
    LOG_CONTINUITY,
    STATISTICS,
    SET_ASIDE,
    WORKER_SEATS,
    STATISTICS_SAMPLE,
    AUTOANALYZE,
    FAILING_SOURCES,
  ],
  repairs: [REBASE_LOG],
};
