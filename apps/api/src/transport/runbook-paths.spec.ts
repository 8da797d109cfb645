import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RUNBOOKS } from '../domain/overview.js';
import { ROUTES } from './controllers.js';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../../..');
const FOLDER = join(ROOT, 'docs/runbooks');
const FILES = readdirSync(FOLDER).filter((file) => file.endsWith('.md'));
/** `api POST "/v1/tenants/$TENANT/…"`, and paths in the text: `GET …/refusals`. */
const COMMAND = /\bapi (GET|POST|PUT|PATCH|DELETE) "?(\/v1\/[^\s"'`)]*)/g;
const MENTION = /`(GET|POST|PUT|PATCH|DELETE) (\/v1|…)(\/[^\s"'`?]*)/g;

const shapeOf = (path: string): string => path.replace(/\?.*$/, '').replaceAll(/\{\w+\}|\$\w+/g, '{}');
const OPERATIONS = ROUTES.map(({ method, path }) => `${method} ${shapeOf(path)}`);

test.each(FILES)('I2 %s calls only what the API has', (file) => {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const called = [...text.matchAll(COMMAND)].map(([, method, path]) => `${method} ${shapeOf(path!)}`);
  expect(called.length).toBeGreaterThan(0);
  expect(called.filter((operation) => !OPERATIONS.includes(operation))).toEqual([]);
  const mentioned = [...text.matchAll(MENTION)].map(([, method, start, path]) => ({
    method: method!,
    ending: `${start === '…' ? '' : '/v1'}${shapeOf(path!)}`,
  }));
  const unknown = mentioned.filter(
    ({ method, ending }) =>
      !OPERATIONS.some((operation) => operation.startsWith(`${method} `) && operation.endsWith(ending)),
  );
  expect(unknown).toEqual([]);
});

test('I2 a call of what is not there would be found', () => {
  expect(shapeOf('/v1/tenants/$TENANT/sources/{id}?limit=1')).toBe('/v1/tenants/{}/sources/{}');
  expect(OPERATIONS).toContain('GET /v1/overview');
  expect(OPERATIONS).not.toContain('GET /v1/tenants/{}/nothing');
});

test('H4 every runbook that the overview names is there', () => {
  const files = FILES.map((file) => `docs/runbooks/${file}`);
  for (const runbook of Object.values(RUNBOOKS)) expect(files).toContain(runbook);
});
