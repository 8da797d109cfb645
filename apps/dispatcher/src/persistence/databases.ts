import { Database } from '@posthorn/postgres/database.js';

/** Connections of the role that delivers. */
export class WorkerDatabase extends Database {}

/** Connections of the role that answers the API. */
export class ReaderDatabase extends Database {}
