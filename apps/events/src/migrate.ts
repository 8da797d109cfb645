import { runMigrateCommand } from '@posthorn/postgres/migrate.js';
import { EVENTS_SCHEMA } from './persistence/schema.js';

await runMigrateCommand(EVENTS_SCHEMA);
