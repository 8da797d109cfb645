/** Who sees a table with a tenant_id. */
export interface TenantPolicyOptions {
  /** Roles that work for all tenants. */
  readonly workers: readonly string[];
  /** Roles that see the rows of the transaction's tenant only. */
  readonly readers: readonly string[];
}

/**
 * Statements that put a table under forced row-level security; GRANTs are up to the migration.
 * Without a tenant set a reader sees no row and writes none.
 * Why a subselect: it is evaluated once per statement instead of once per row, and the index stays usable.
 * @param table with its schema.
 */
export function tenantTableSql(table: string, options: TenantPolicyOptions): string[] {
  const isOwn = `tenant_id = NULLIF((SELECT current_setting('posthorn.tenant_id', true)), '')::uuid`;
  const { workers, readers } = options;
  return [
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`,
    `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`,
    ...(workers.length === 0
      ? []
      : [`CREATE POLICY all_tenants ON ${table} TO ${workers.join(', ')} USING (true) WITH CHECK (true)`]),
    ...(readers.length === 0
      ? []
      : [
          `CREATE POLICY own_tenant ON ${table} TO ${readers.join(', ')} USING (${isOwn}) WITH CHECK (${isOwn})`,
        ]),
  ];
}
