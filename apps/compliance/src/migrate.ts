import { runMigrateCommand } from '@posthorn/postgres/migrate.js';
import { COMPLIANCE_SCHEMA } from './persistence/schema.js';

await runMigrateCommand(COMPLIANCE_SCHEMA);
