import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DASHBOARDS } from '@posthorn/monitoring/dashboards.js';
import { ruleFiles } from '@posthorn/monitoring/rules.js';
import { FIRST_FIVE } from '../src/gameday/first-five.js';
import { OTHERS } from '../src/gameday/others.js';
import { BLOCKS, blocksOf, readRunbook, runBlock } from '../src/gameday/runbook.js';
import { ROOT } from '../src/house/running-platform.js';

const FOLDER = join(ROOT, 'docs/runbooks');
const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.md') && file !== 'README.md')
  .map((file) => file.replace('.md', ''));
const textOf = (name: string): string => readFileSync(join(FOLDER, `${name}.md`), 'utf8');
const PARTS = [
  ...['Preparation', 'How it shows', 'Stop the bleeding', 'Reprocess safely', 'Confirm recovery'],
  'Delay or loss',
];
const INCIDENTS = [...FIRST_FIVE, ...OTHERS];
const ALERTS = [...ruleFiles().values()]
  .flat()
  .flatMap(({ rules }) => rules)
  .flatMap((rule) => ('alert' in rule ? [rule] : []));

test('I2 there is a runbook for each incident, and each is rehearsed by a program', () => {
  expect(NAMES.length).toBeGreaterThanOrEqual(11);
  expect(INCIDENTS.map(({ name }) => name).sort()).toEqual(NAMES.sort());
});

test.each(NAMES)('I2 %s has all parts in order, and its commands can be run', (name) => {
  const headings = [...textOf(name).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(PARTS);
  const runbook = readRunbook(name);
  for (const block of BLOCKS) expect(runbook[block].trim()).not.toBe('');
  expect(runbook.prepare.startsWith('. docs/runbooks/prepare.sh\n')).toBe(true);
});

test.each(NAMES)('I2 H4 %s says by which alert, panel and query it shows; all three exist', (name) => {
  const text = textOf(name);
  const { alert } = INCIDENTS.find((incident) => incident.name === name)!;
  expect(text).toContain(`\`${alert}\``);
  expect(ALERTS.find((rule) => rule.alert === alert)?.annotations.runbook).toBe(`docs/runbooks/${name}.md`);
  const [, panel, dashboard] = /^- Panel: "(.+)" of the dashboard "(.+)"\.$/m.exec(text)!;
  const found = DASHBOARDS.find(({ title }) => title === dashboard);
  expect(found?.rows.flatMap(({ panels }) => panels.map(({ title }) => title))).toContain(panel);
  expect(text).toMatch(/^- Quer(y|ies): `.*posthorn/m);
});

test('H4 every alert leads to a runbook that is in the list, and the list links to all of them', () => {
  for (const { annotations } of ALERTS)
    expect(NAMES.map((name) => `docs/runbooks/${name}.md`)).toContain(annotations.runbook);
  for (const name of NAMES) expect(textOf('README')).toContain(`](${name}.md)`);
});

test.each([
  ['secret-rotation-error', 'stop', 'NEW_SECRET: set it to'],
  ['schema-drift', 'reprocess', 'SETTINGS: set it to'],
] as const)(
  'I2 %s changes nothing before it was said what to: a made-up value would be in force',
  async (name, block, words) => {
    const nowhere = { POSTHORN_URL: 'http://127.0.0.1:1', OPERATOR_KEY: 'none' };
    await expect(runBlock(readRunbook(name), block, nowhere)).rejects.toThrow(words);
  },
);

test('I2 a runbook with a part that cannot be run is found out', () => {
  const whole = BLOCKS.map((block) => `\`\`\`sh gameday=${block}\necho ${block}\n\`\`\`\n`);
  expect(blocksOf('x', whole.join('\n')).stop).toBe('echo stop\n');
  expect(() => blocksOf('x', whole.slice(1).join('\n'))).toThrow('no block is marked gameday=prepare');
  expect(() => blocksOf('x', '```sh gameday=pray\necho\n```\n')).toThrow('no kind of block named pray');
  // In a list, and in several pieces.
  const pieces = `${whole.join('\n')}\n- Then:\n\n  \`\`\`sh gameday=stop\n  echo more\n  \`\`\`\n`;
  expect(blocksOf('x', pieces).stop).toBe('echo stop\necho more\n');
});
