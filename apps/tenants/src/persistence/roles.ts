/** This service's schema; nobody else reads it. */
export const SCHEMA = 'tenants';
/** Writes, and reads across tenants. */
export const WORKER_ROLE = 'posthorn_tenants';
/** Reads one tenant at a time, under forced row-level security. */
export const READER_ROLE = 'posthorn_tenants_reader';
