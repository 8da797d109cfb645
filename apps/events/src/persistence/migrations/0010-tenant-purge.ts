import type { Migration } from '@posthorn/postgres/migrate.js';
import { tenantPurgeSql } from '@posthorn/postgres/tenant-purge.js';
import { ROLES } from '../roles.js';

const { keeper } = ROLES;

/** Rows of all tenants, for a role that came later than the table. */
const opened = (table: string): string =>
  `CREATE POLICY all_tenants_keeper ON events.${table} TO ${keeper} USING (true) WITH CHECK (true)`;

/** What is taken away once a tenant is deleted: all that is said in words. */
export const TENANT_PURGE: Migration = {
  name: '0010_tenant_purge',
  up: [
    ...tenantPurgeSql('events', keeper),
    ...['handoff', 'rule_effect', 'tag'].map(opened),
    `GRANT SELECT (note), UPDATE (note) ON events.handoff_step TO ${keeper}`,
    `GRANT SELECT (tenant_id, handoff_id, reason), UPDATE (reason) ON events.handoff TO ${keeper}`,
    `GRANT SELECT (tenant_id, effect_id, state), DELETE ON events.rule_effect TO ${keeper}`,
    `GRANT SELECT (tenant_id, target_id), DELETE ON events.tag TO ${keeper}`,
  ],
};
