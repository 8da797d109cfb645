import { createSource, updateSource } from './sources.dto.js';

const nested = (levels: number): unknown => JSON.parse(`${'{"not":'.repeat(levels)}1${'}'.repeat(levels)}`);

test('B10 a setting that is too deep to be handed on is named, whatever its depth', () => {
  for (const levels of [101, 5_000, 100_000]) {
    const settings = { header: 'x-a', jsonSchema: nested(levels) };
    const results = [
      createSource.safeParse({ name: 'a', provider: 'hmac', settings }),
      updateSource.safeParse({ settings }),
    ];
    for (const { error } of results)
      expect(error?.issues.map(({ path }) => path.join('.'))).toEqual(['settings.jsonSchema']);
  }
  expect(updateSource.safeParse({ settings: { jsonSchema: nested(100) } }).success).toBe(true);
});
