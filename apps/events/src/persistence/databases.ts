import { Database } from '@posthorn/postgres/database.js';

/** Connections of the role that appends. */
export class AppendDatabase extends Database {}

/** Connections of the role that projects and reads facts. */
export class WorkerDatabase extends Database {}

/** Connections of the role that answers the API. */
export class ReaderDatabase extends Database {}

/** Connections of the role that keeps refusals and takes away what is too old. */
export class KeeperDatabase extends Database {}
