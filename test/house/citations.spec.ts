import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const ROWS_MIN = 60;
const CITATIONS_MIN = 500;

/** What a test says it shows: a text that begins with row numbers, and further ones in it. */
interface Citation {
  readonly row: string;
  readonly line: number;
  readonly title: string;
}

function citationsOf(source: string): Citation[] {
  return source.split('\n').flatMap((text, index) =>
    [...text.matchAll(/['"`]((?:[A-I]\d{1,2} )+.*)/g)].flatMap(([, title]) =>
      [...title!.matchAll(/(?<![\w-])[A-I]\d{1,2}(?![\w-])/g)].map(([row]) => ({
        ...{ row, line: index + 1, title: title! },
      })),
    ),
  );
}

const rows = [
  ...readFileSync(join(root, 'docs/requirements.md'), 'utf8').matchAll(/^- \*\*([A-I]\d+)\*\* \S/gm),
].map(([, row]) => row!);
const specs = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.spec.ts'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));

test('the list of requirements names each row once, in order', () => {
  expect(rows.length).toBeGreaterThan(ROWS_MIN);
  expect(new Set(rows).size).toBe(rows.length);
  for (const section of new Set(rows.map((row) => row[0]!))) {
    const numbers = rows.filter((row) => row.startsWith(section)).map((row) => Number(row.slice(1)));
    expect([section, numbers]).toEqual([section, numbers.map((_, index) => index + 1)]);
  }
});

test('no test cites a requirement that does not exist: who searches for a row finds its proof', () => {
  const citations = specs.flatMap((path) =>
    citationsOf(readFileSync(join(root, path), 'utf8')).map((citation) => ({ path, ...citation })),
  );
  expect(citations.length).toBeGreaterThan(CITATIONS_MIN);
  expect(
    citations
      .filter(({ row }) => !rows.includes(row))
      .map(({ path, line, row, title }) => `${path}:${line} ${row} in: ${title}`),
  ).toEqual([]);
});

test('citations are found wherever a title may stand, and nothing else is taken for one', () => {
  // Planted here, and so not to be found in this file itself.
  const [quote, tick] = ["'", '`'];
  const source = [
    `test(${quote}B10 B99 nobody reads it${quote}, () => {`,
    `  ${quote}E3 %s: one title of a table; E98 is another${quote},`,
    `describe(${tick}A0 the door${tick}, () => {`,
    `const places = [${quote}A4${quote}, ${quote}E164 number${quote}, ${quote}DIN A12 paper${quote}];`,
  ].join('\n');
  expect(citationsOf(source).map(({ row, line }) => [row, line])).toEqual([
    ...[
      ['B10', 1],
      ['B99', 1],
    ],
    ...[
      ['E3', 2],
      ['E98', 2],
      ['A0', 3],
    ],
  ]);
});
