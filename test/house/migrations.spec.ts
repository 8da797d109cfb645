import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { SchemaDefinition } from '@posthorn/postgres/migrate.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const SCHEMAS = [
  ['tenants', 'persistence/migrations/migrations.ts', 'MIGRATIONS'],
  ['events', 'persistence/schema.ts', 'EVENTS_SCHEMA'],
  ['compliance', 'persistence/schema.ts', 'COMPLIANCE_SCHEMA'],
  ['dispatcher', 'persistence/schema.ts', 'DISPATCH_SCHEMA'],
] as const;

/**
 * Steps that would not be safe beside a running older version, and why each may stand. Those of before the first
 * release: no version without them was ever run by anybody, and what was applied is never changed.
 */
const BEFORE_THE_FIRST_RELEASE: readonly string[] = [
  ...['adds a constraint without NOT VALID: the table is read under a lock', 'drops a constraint'].flatMap(
    (why) => [
      `compliance 0003_consents: ${why}`, // the same constraint, which lets more in
      `tenants 0002_trust: ${why}`,
    ],
  ),
  'compliance 0003_consents: makes an index without CONCURRENTLY: writes wait',
  'dispatcher 0002_commands: drops what the version before may use',
  'events 0008_erasures_owed: makes an index without CONCURRENTLY: writes wait',
  'tenants 0002_trust: makes an index without CONCURRENTLY: writes wait',
  'tenants 0002_trust: sets NOT NULL: the table is read under a lock; add a CHECK, NOT VALID, and validate it',
  'tenants 0002_trust: switches a trigger',
  'tenants 0004_deletions: makes an index without CONCURRENTLY: writes wait',
  'tenants 0007_intake_quota: adds a constraint without NOT VALID: the table is read under a lock',
];

type Definition = Pick<SchemaDefinition, 'migrations'>;

/** Tables that a statement makes; an index on such a table locks nobody out. */
const madeBy = (statement: string): string[] =>
  [...statement.matchAll(/\bCREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?([a-z_.]+)/gi)].map(
    ([, table]) => table!,
  );

/** What is wrong with a statement on tables that others use; `isOwn` tells those of the same migration. */
function unsafe(statement: string, isOwn: (table: string) => boolean): string[] {
  const words = statement.replace(/\s+/g, ' ').trim();
  if (/^DROP (TABLE|SCHEMA|VIEW|FUNCTION|TYPE|ROLE|POLICY)\b/i.test(words))
    return ['drops what the version before may use'];
  if (/^TRUNCATE\b/i.test(words)) return ['empties a table'];
  const index = /^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)[^(]*? ON (?:ONLY )?([a-z_.]+)/i.exec(words);
  if (index !== null && !isOwn(index[1]!)) return ['makes an index without CONCURRENTLY: writes wait'];
  const altered = /^ALTER TABLE (?:ONLY |IF EXISTS )*([a-z_.]+) (.*)$/i.exec(words);
  if (altered === null || isOwn(altered[1]!)) return [];
  const rules: [RegExp, string][] = [
    [/\bDROP COLUMN\b/i, 'drops a column that the version before may use'],
    [/\bDROP CONSTRAINT\b/i, 'drops a constraint'],
    [/\bRENAME\b/i, 'renames what the version before may use'],
    [/\bALTER( COLUMN)? [a-z_]+ (SET DATA )?TYPE\b/i, 'changes a type: the table is written anew'],
    [
      /\bSET NOT NULL\b/i,
      'sets NOT NULL: the table is read under a lock; add a CHECK, NOT VALID, and validate it',
    ],
    [
      /\bADD (COLUMN )?(?!CONSTRAINT)[a-z_]+ (?:(?!,|DEFAULT).)*(?<!IS )NOT NULL(?!(?:(?!,).)*DEFAULT)/i,
      'adds a column that the version before cannot fill',
    ],
    [
      /\bADD CONSTRAINT\b(?!.*NOT VALID)/i,
      'adds a constraint without NOT VALID: the table is read under a lock',
    ],
    [/\b(DISABLE|ENABLE) TRIGGER\b/i, 'switches a trigger'],
  ];
  return rules.filter(([pattern]) => pattern.test(altered[2]!)).map(([, why]) => why);
}

function findings(service: string, { migrations }: Definition): string[] {
  return migrations.flatMap(({ name, up }) => {
    const own = new Set(up.flatMap(madeBy));
    return up.flatMap((statement) =>
      unsafe(statement, (table) => own.has(table)).map((why) => `${service} ${name}: ${why}`),
    );
  });
}

async function definitionOf([service, file, name]: (typeof SCHEMAS)[number]): Promise<SchemaDefinition> {
  const path = pathToFileURL(join(root, 'apps', service, 'src', file)).href;
  return ((await import(path)) as Record<string, SchemaDefinition>)[name]!;
}

test('I3 I6 migrations only add while the version before runs: nothing dropped, renamed, rewritten or locked for long', async () => {
  // Would break: during an upgrade the old version would fail on every request, or wait for a lock until it does.
  const found: string[] = [];
  for (const schema of SCHEMAS) found.push(...findings(schema[0], await definitionOf(schema)));
  expect([...new Set(found)].sort()).toEqual([...BEFORE_THE_FIRST_RELEASE].sort());
});

test.each([
  ['DROP TABLE events.x', 'drops what'],
  ['ALTER TABLE events.x DROP COLUMN y', 'drops a column'],
  ['ALTER TABLE events.x RENAME COLUMN y TO z', 'renames'],
  ['ALTER TABLE events.x ALTER COLUMN y TYPE bigint', 'changes a type'],
  ['ALTER TABLE events.x ALTER COLUMN y SET NOT NULL', 'sets NOT NULL'],
  ['ALTER TABLE events.x ADD COLUMN y text NOT NULL', 'cannot fill'],
  ['ALTER TABLE events.x ADD COLUMN a int, ADD COLUMN y text COLLATE "C" NOT NULL', 'cannot fill'],
  ['ALTER TABLE events.x ADD CONSTRAINT y CHECK (z > 0)', 'without NOT VALID'],
  ['CREATE UNIQUE INDEX y ON events.x (z)', 'without CONCURRENTLY'],
  ['CREATE INDEX y\n  ON events.x (z)', 'without CONCURRENTLY'],
])('the look at migrations finds %s', (statement, why) => {
  expect(findings('s', { migrations: [{ name: '1', up: [statement] }] }).join()).toContain(why);
  const made = ['CREATE TABLE events.x (y text)', statement];
  const own = findings('s', { migrations: [{ name: '1', up: made }] });
  expect(own).toEqual(statement.startsWith('DROP') ? [expect.stringContaining(why)] : []);
});

test.each([
  "ALTER TABLE events.x ADD COLUMN y text NOT NULL DEFAULT ''",
  'ALTER TABLE events.x ADD COLUMN y text COLLATE "C" NOT NULL DEFAULT \'\', ADD COLUMN z timestamptz',
  'ALTER TABLE events.x ADD CONSTRAINT y CHECK (z > 0) NOT VALID',
  'ALTER TABLE events.x VALIDATE CONSTRAINT y',
  'CREATE INDEX CONCURRENTLY IF NOT EXISTS y ON events.x (z)',
])('the look at migrations lets %s pass', (statement) => {
  expect(findings('s', { migrations: [{ name: '1', up: [statement] }] })).toEqual([]);
});
