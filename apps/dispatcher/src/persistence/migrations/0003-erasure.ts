import type { Migration } from '@posthorn/postgres/migrate.js';
import { ROLES } from '../roles.js';

/** Lets contents go before their day does. */
export const ERASURE: Migration = {
  name: '0003_erasure',
  up: [`GRANT DELETE ON dispatch.command_content TO ${ROLES.worker}`],
};
