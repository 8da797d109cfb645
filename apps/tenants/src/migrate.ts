import { runMigrateCommand } from '@posthorn/postgres/migrate.js';
import { MIGRATIONS } from './persistence/migrations/migrations.js';

await runMigrateCommand(MIGRATIONS);
