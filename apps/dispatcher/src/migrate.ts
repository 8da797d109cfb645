import { runMigrateCommand } from '@posthorn/postgres/migrate.js';
import { DISPATCH_SCHEMA } from './persistence/schema.js';

await runMigrateCommand(DISPATCH_SCHEMA);
