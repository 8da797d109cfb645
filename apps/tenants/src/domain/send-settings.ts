import { checkDestinationUrl } from './destination-url.js';
import { FieldErrors, invalidField } from './field-errors.js';

/** Settings of a source that concern its sends; the provider's own schema knows those of intake. */
const SEND_SETTINGS = ['apiBaseUrl', 'from', 'sendsPerSecond'];
const FROM_LENGTH_MAX = 320;
/** From a number that sends once in ten seconds to more than any provider takes from one account. */
const SENDS_PER_SECOND_MIN = 0.1;
const SENDS_PER_SECOND_MAX = 10_000;

/** Which settings are whose. */
export function splitSettings(settings: Readonly<Record<string, unknown>>): {
  readonly intake: Readonly<Record<string, unknown>>;
  readonly send: Readonly<Record<string, unknown>>;
} {
  const entries = Object.entries(settings);
  return {
    intake: Object.fromEntries(entries.filter(([name]) => !SEND_SETTINGS.includes(name))),
    send: Object.fromEntries(entries.filter(([name]) => SEND_SETTINGS.includes(name))),
  };
}

/**
 * Checks `apiBaseUrl`, where sends go instead of the provider's own address, `from`, the sender they name, and
 * `sendsPerSecond`, what the account may send instead of what its provider is known to take.
 * @param allowLoopback as for destinations.
 * @throws AppError `request.invalid`, `destination.address_forbidden`
 */
export function checkSendSettings(settings: Readonly<Record<string, unknown>>, allowLoopback: boolean): void {
  const { apiBaseUrl, from, sendsPerSecond } = settings;
  const errors = new FieldErrors();
  const isText = typeof from === 'string' && from.length > 0 && from.length <= FROM_LENGTH_MAX;
  errors.require(from === undefined || isText, 'settings.from', `1 to ${FROM_LENGTH_MAX} characters`);
  errors.require(
    apiBaseUrl === undefined || typeof apiBaseUrl === 'string',
    'settings.apiBaseUrl',
    'expected a URL',
  );
  const isRate =
    typeof sendsPerSecond === 'number' &&
    sendsPerSecond >= SENDS_PER_SECOND_MIN &&
    sendsPerSecond <= SENDS_PER_SECOND_MAX;
  errors.require(
    sendsPerSecond === undefined || isRate,
    'settings.sendsPerSecond',
    `a number from ${SENDS_PER_SECOND_MIN} to ${SENDS_PER_SECOND_MAX}`,
  );
  errors.throwIfAny();
  if (typeof apiBaseUrl !== 'string') return;
  const url = new URL(checkDestinationUrl(apiBaseUrl, allowLoopback, 'settings.apiBaseUrl'));
  if (url.search !== '') throw invalidField('settings.apiBaseUrl', 'no query: paths are added to it');
}
