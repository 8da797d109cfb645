import { ROUTES } from '../src/transport/controllers.js';
import { startApi, type TestApi } from './harness.js';

/** What the documents say of one operation. */
interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: object }>>;
}

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
}, 60_000);
afterAll(() => api.close());

test('the OpenAPI document is one of version 3.1, lists every operation, and is readable as a page', async () => {
  const { body: document } = await api.caller(undefined)('GET', '/openapi.json');
  expect(document).toMatchObject({
    openapi: '3.1.0',
    info: { title: 'Posthorn Admin API', version: '1.0.0' },
  });
  const operations = Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method,
      operation,
    })),
  );
  expect(operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).sort()).toEqual(
    ROUTES.map(({ method, path }) => `${method} ${path}`).sort(),
  );
  expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
  for (const { path, operation } of operations) {
    const { parameters } = operation;
    const inPath = parameters.filter((each) => each.in === 'path');
    expect(inPath.map(({ name }) => name)).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    for (const each of parameters) expect(typeof each.schema).toBe('object');
    const responses = Object.entries(operation.responses);
    expect(responses.length).toBeGreaterThan(1);
    for (const [status, response] of responses) {
      expect(status).toMatch(/^[2345]\d\d$/);
      expect(response.description.length).toBeGreaterThan(0);
      if (Number(status) >= 400) expect(Object.keys(response.content!)).toEqual(['application/problem+json']);
    }
  }
  for (const [, ref] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g))
    expect(ref!.split('/').reduce<never>((at, name) => at[name] as never, document as never)).toBeDefined();
  const page = await api.caller(undefined)('GET', '/docs');
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  for (const { path } of ROUTES) expect(page.body).toContain(path);
  expect(page.body).not.toMatch(/<script/i);
});
