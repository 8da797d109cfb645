import { eventually } from './eventually.js';
import type { TestDatabase } from './test-database.js';

const PAGES = 100;
const SEEN_MS = 15_000;
const OWN_FACTOR = 'autovacuum_analyze_scale_factor=0.3';
/** A tenth of the usual hundred, and the last one's end. */
const BOUNDS = 11;

/**
 * Makes tables in a service's schema and lets them grow; resolves once the service has had them analyzed by a sample,
 * and autovacuum told to do so less often: a new one, one that was large before, and not one with a factor of its own.
 * Autovacuum leaves these tables alone, so nobody else does it.
 */
export async function analyzedByItsService({ query }: TestDatabase, schema: string): Promise<void> {
  const [grown, large, own] = ['grown', 'large', 'own'].map((name) => `${schema}.${name}`);
  // In one statement: analyzed while it is half full, it would be left alone until it has doubled again.
  const made = (table: string, options: string): string =>
    `CREATE TABLE ${table} WITH (autovacuum_enabled = off${options}) AS
       SELECT n, repeat('x', 1_900) AS filler FROM generate_series(1, ${PAGES} * 4) AS n`;
  await query(made(grown!, ''));
  await query(`${made(large!, '')}; ANALYZE ${large}`);
  await query(made(own!, `, ${OWN_FACTOR}`));
  await eventually(
    async () => {
      const { rows } = await query<{ name: string; pages: number; options: string[]; bounds: number | null }>(
        `SELECT c.oid::regclass::text AS name, relpages AS pages, reloptions AS options,
           (SELECT cardinality(histogram_bounds::text::int[]) FROM pg_stats
            WHERE schemaname = $2 AND tablename = c.relname AND attname = 'n') AS bounds
         FROM pg_class c WHERE oid = ANY ($1::regclass[])`,
        [[grown, large, own], schema],
      );
      for (const { name, pages, options, bounds } of rows) {
        const factor = name === own ? OWN_FACTOR : 'autovacuum_analyze_scale_factor=0.5';
        if (pages < PAGES || bounds !== BOUNDS) throw new Error(`${name} is not analyzed by a sample yet`);
        if (!options.includes(factor)) throw new Error(`autovacuum analyzes ${name} by ${options.join()}`);
      }
    },
    { timeoutMs: SEEN_MS },
  );
}
