import { eventually } from './eventually.js';
import type { TestDatabase } from './test-database.js';

const PAGES = 100;
const SEEN_MS = 15_000;

/**
 * Makes a table in a service's schema and lets it grow; resolves once the service has had it analyzed, and has told
 * autovacuum to do so less often.
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
      const { rows } = await query<{ pages: number; options: string[] }>(
        'SELECT relpages AS pages, reloptions AS options FROM pg_class WHERE oid = $1::regclass',
        [table],
      );
      const { pages, options } = rows[0]!;
      if (pages < PAGES) throw new Error(`${table} is not analyzed yet`);
      if (!options.some((option) => option.startsWith('autovacuum_analyze_scale_factor=')))
        throw new Error(`autovacuum analyzes ${table} as often as before`);
    },
    { timeoutMs: SEEN_MS },
  );
}
