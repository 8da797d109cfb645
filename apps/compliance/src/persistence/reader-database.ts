import { Database } from '@posthorn/postgres/database.js';

/** The database as the reader role sees it: a class of its own, so that it is a token of its own. */
export class ReaderDatabase extends Database {}
