import { z } from 'zod';
import { PROVIDERS } from './registry.js';

const providers = [...PROVIDERS.values()].map((provider) => [provider.id, provider] as const);

interface ObjectSchema {
  readonly properties: Readonly<Record<string, { readonly description?: string; readonly enum?: unknown[] }>>;
}

test('IDs are what URLs and folders take, and none hides another', () => {
  expect(providers.length).toBeGreaterThanOrEqual(14);
  for (const [id] of providers) expect(id).toMatch(/^[a-z][a-z0-9-]{0,31}$/);
  expect(new Set(providers.map(([, { name }]) => name)).size).toBe(providers.length);
});

test.each(providers)('%s has a page that says everything', (_, { page }) => {
  expect(page).toBeDefined();
  const { summary, secret, setup, answers, retries, sameness, reconciliation } = page!;
  for (const text of [summary, secret, retries.policy, sameness, reconciliation.how, ...setup])
    expect(text).toMatch(/^[A-Z`].{10,}[.…]$/s);
  expect(setup.some((step) => step.includes('{url}'))).toBe(true);
  for (const { status } of answers) expect(status).toBeGreaterThanOrEqual(200);
});

test.each(providers)(
  'A5 %s: a refusal with a status of its own is what the sender repeats, or ends with',
  (_, provider) => {
    const isRepeated: Partial<Record<string, boolean>> = provider.page!.retries.isRepeated;
    for (const status of Object.values(provider.refusalStatus ?? {})) {
      const said = isRepeated[status] ?? isRepeated[`${Math.floor(status / 100)}xx`];
      expect({ status, said }).toEqual({ status, said: status >= 500 });
    }
  },
);

test.each(providers)(
  '%s: every setting says what it is, and one that is unknown is refused',
  (_, provider) => {
    const { settings } = provider;
    const { properties } = z.toJSONSchema(settings, {
      io: 'input',
      unrepresentable: 'any',
    }) as unknown as ObjectSchema;
    const { secretSettings = [] } = provider;
    // A name that is none would leave the secret in the audit.
    expect(Object.keys(properties)).toEqual(expect.arrayContaining([...secretSettings]));
    const silent = Object.entries(properties).filter(([, schema]) => !schema.description && !schema.enum);
    expect(silent.map(([name]) => name)).toEqual([]);
    const issues = settings.safeParse({ noSuchSetting: 1 }).error?.issues ?? [];
    expect(issues.map(({ code }) => code)).toContain('unrecognized_keys');
  },
);
