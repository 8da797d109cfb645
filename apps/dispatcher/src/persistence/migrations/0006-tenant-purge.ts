import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantPurgeSql } from '@posthorn/postgres/tenant-purge.js';
import { ROLES } from '../roles.js';

/** How far what deleted tenants left is taken away. */
export const TENANT_PURGE: Migration = {
  name: '0006_tenant_purge',
  up: tenantPurgeSql('dispatch', ROLES.worker),
};
