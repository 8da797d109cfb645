import type { SchemaDefinition } from '@posthorn/postgres/migrate.js';
import { EVENT_LOG } from './migrations/0001-event-log.js';
import { PROJECTION } from './migrations/0002-projection.js';
import { CONVERSATION_MESSAGES, CONVERSATIONS } from './migrations/0003-conversations.js';
import { KEEPING } from './migrations/0005-keeping.js';
import { RULES } from './migrations/0007-rules.js';
import { ERASURES_OWED } from './migrations/0008-erasures-owed.js';
import { AUDIT_OUTGOING } from './migrations/0009-audit-outgoing.js';
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
  ],
};
