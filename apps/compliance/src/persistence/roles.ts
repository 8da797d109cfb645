/** This service's schema; nobody else reads it. */
export const SCHEMA = 'compliance';
/** Folds signals and changes suppressions, for all tenants. */
export const WORKER_ROLE = 'posthorn_compliance';
/** Answers the API: one tenant at a time, under forced row-level security. */
export const READER_ROLE = 'posthorn_compliance_reader';
/** The role with which events appends: it may add opt-outs that wait, and ask whether a permit is open; nothing else. */
export const INTAKE_ROLE = 'posthorn_events_append';
