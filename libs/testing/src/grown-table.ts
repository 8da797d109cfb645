import { eventually } from './eventually.js';
import type { TestDatabase } from './test-database.js';

const PAGES = 100;
const SEEN_MS = 15_000;

/**
 * Makes a table in a service's schema and lets it grow; resolves once the service has had it analyzed.
 * Autovacuum leaves that table alone, so nobody else does it.
 */
export async function analyzedByItsService({ query }: TestDatabase, schema: string): Promise<void> {
  const table = `${schema}.grown`;
  // In one statement: analyzed while it is half full, it would be left alone until it has doubled again.
  await query(
    `CREATE TABLE ${table} WITH (autovacuum_enabled = off) AS
       SELECT repeat('x', 1_900) AS filler FROM generate_series(1, ${PAGES} * 4)`,
  );
  await eventually(
    async () => {
      const { rows } = await query<{ pages: number }>(
        'SELECT relpages AS pages FROM pg_class WHERE oid = $1::regclass',
        [table],
      );
      if (rows[0]!.pages < PAGES) throw new Error(`${table} is not analyzed yet`);
    },
    { timeoutMs: SEEN_MS },
  );
}
