import { DEFAULT_RETENTION_DAYS, parseRetentionDays } from './retention-policies.js';

test('E6 a policy says what it says, and the rest is the default', () => {
  expect(parseRetentionDays('{}')).toEqual(DEFAULT_RETENTION_DAYS);
  expect(parseRetentionDays('{"caps":[],"retention":{"rawDays":7}}')).toEqual({
    ...DEFAULT_RETENTION_DAYS,
    rawDays: 7,
  });
});

const unreadable = [
  '',
  'null',
  '[]',
  '{"retention":3}',
  '{"retention":5}',
  '{"retention":[]}',
  '{"retention":null}',
];
const noDays = ['0', '-1', '1.5', '3651', '"7"', 'null'].map(
  (days) => `{"retention":{"contentDays":${days}}}`,
);

test.each([...unreadable, ...noDays])('E6 a policy that cannot be read lets nothing go: %s', (json) =>
  expect(parseRetentionDays(json)).toBeUndefined(),
);
