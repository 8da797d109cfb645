import type { TestDatabase } from '@posthorn/testing/test-database.js';

/** Every row of the schema as text, by table. As superuser: no policy hides one. */
export async function dumpOf(db: TestDatabase): Promise<Map<string, string>> {
  const { rows: tables } = await db.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'compliance'`,
  );
  const found = new Map<string, string>();
  for (const { name } of tables) {
    const { rows } = await db.query<{ row: string }>(`SELECT row_to_json(t)::text AS row FROM ${name} t`);
    found.set(name, rows.map(({ row }) => row).join('\n'));
  }
  return found;
}

/** The tables that say one of these, as text, or as bytes are shown. */
export function tablesThatSay(dump: ReadonlyMap<string, string>, texts: readonly string[]): string[] {
  const forms = texts.flatMap((text) => {
    const bytes = Buffer.from(text);
    return [text, bytes.toString('hex'), bytes.toString('base64').replace(/.{0,3}$/, '')];
  });
  return [...dump].filter(([, rows]) => forms.some((form) => rows.includes(form))).map(([name]) => name);
}
