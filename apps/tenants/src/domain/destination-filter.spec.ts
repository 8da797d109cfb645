import { AppError } from '@posthorn/errors/app-error.js';
import { checkFilter, type DestinationFilter, FILTER_FIELDS, parseFilter } from './destination-filter.js';
import { FieldErrors } from './field-errors.js';

function pathsOf(action: () => unknown): string[] {
  try {
    action();
  } catch (error) {
    if (error instanceof AppError) return (error.fields ?? []).map(({ path }) => path);
    throw error;
  }
  return [];
}

function check(filter: DestinationFilter): string[] {
  return pathsOf(() => {
    const errors = new FieldErrors();
    checkFilter(errors, filter);
    errors.throwIfAny();
  });
}

test('F2 a filter names fields of a delivery, each with some values, each once', () => {
  expect(check({})).toEqual([]);
  expect(check(Object.fromEntries(FILTER_FIELDS.map((field) => [field, ['a', 'b']])))).toEqual([]);
  expect(check({ body: ['x'] })).toEqual(['filter.body']);
  expect(check({ channel: [] })).toEqual(['filter.channel']);
  expect(check({ channel: ['sms', 'sms'] })).toEqual(['filter.channel.1']);
  expect(check({ channel: ['', 'x'.repeat(201)] })).toEqual(['filter.channel.0', 'filter.channel.1']);
  expect(check({ campaign: Array.from({ length: 51 }, (_, n) => `c${n}`) })).toEqual(['filter.campaign']);
});

test('F2 what is no filter at all is told by its place', () => {
  expect(parseFilter('')).toEqual({});
  expect(parseFilter('{"channel":["sms"]}')).toEqual({ channel: ['sms'] });
  for (const text of ['[', '[]', 'null', '"sms"', ' '.repeat(65_537)])
    expect(pathsOf(() => parseFilter(text))).toEqual(['filter']);
  for (const text of ['{"channel":"sms"}', '{"channel":[1]}', '{"channel":null}'])
    expect(pathsOf(() => parseFilter(text))).toEqual(['filter.channel']);
});
