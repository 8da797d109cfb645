import { type FieldErrors, invalidField, parseObject } from './field-errors.js';

/** Fields of a delivery's `data` that a filter can look at. */
export const FILTER_FIELDS = [
  ...([
    'sourceId',
    'provider',
    'channel',
    'state',
    'previousState',
    'signal',
    'campaign',
    'errorCode',
  ] as const),
] as const;

/**
 * What a destination gets of what it subscribed to: of each field that is named, one of its values. Without any field:
 * everything. A fact that has no such value is not for it.
 */
export type DestinationFilter = Readonly<Record<string, readonly string[]>>;

const VALUES_MAX = 50;
const VALUE_LENGTH_MAX = 200;
const LENGTH_MAX = 65_536;

/** The filter in a request: one JSON object of lists of texts. @throws AppError `request.invalid` naming `filter`. */
export function parseFilter(text: string): DestinationFilter {
  if (text === '') return {};
  const value = parseObject('filter', text, LENGTH_MAX);
  for (const [field, values] of Object.entries(value))
    if (!Array.isArray(values) || values.some((each) => typeof each !== 'string'))
      throw invalidField(`filter.${field}`, 'expected a list of texts');
  return value as DestinationFilter;
}

/** Adds what is wrong with it. */
export function checkFilter(errors: FieldErrors, filter: DestinationFilter): void {
  for (const [field, values] of Object.entries(filter)) {
    const path = `filter.${field}`;
    const isKnown = (FILTER_FIELDS as readonly string[]).includes(field);
    errors.require(isKnown, path, `there is no such field; there are ${FILTER_FIELDS.join(', ')}`);
    errors.require(values.length > 0 && values.length <= VALUES_MAX, path, `1 to ${VALUES_MAX} values`);
    values.slice(0, VALUES_MAX).forEach((value, index) => {
      const isShort = value !== '' && value.length <= VALUE_LENGTH_MAX;
      errors.require(isShort, `${path}.${index}`, `1 to ${VALUE_LENGTH_MAX} characters`);
      errors.require(values.indexOf(value) === index, `${path}.${index}`, 'stands twice');
    });
  }
}
