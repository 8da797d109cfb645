import { checkDestinationUrl } from './destination-url.js';
import { FieldErrors, invalidField } from './field-errors.js';

/** Settings of a source that concern its sends; the provider's own schema knows those of intake. */
const SEND_SETTINGS = ['apiBaseUrl', 'from', 'sendsPerSecond', 'carrierReplies'];
const FROM_LENGTH_MAX = 320;
/** From a number that sends once in ten seconds to more than any provider takes from one account. */
const SENDS_PER_SECOND_MIN = 0.1;
const SENDS_PER_SECOND_MAX = 10_000;
const CARRIER_REPLIES = ['opt_out', 'help'];

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
 * Checks `apiBaseUrl`, where sends go instead of the provider's own address, `from`, the sender they name,
 * `sendsPerSecond`, what the account may send instead of what its provider is known to take, and `carrierReplies`, to
 * what the carrier or the provider answers by itself instead of what it is known to answer.
 * @param allowLoopback as for destinations.
 * @throws AppError `request.invalid`, `destination.address_forbidden`
 */
export function checkSendSettings(settings: Readonly<Record<string, unknown>>, allowLoopback: boolean): void {
  const { apiBaseUrl, from, sendsPerSecond, carrierReplies } = settings;
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
  const isKnown =
    Array.isArray(carrierReplies) &&
    carrierReplies.every((one) => CARRIER_REPLIES.includes(one as string)) &&
    new Set(carrierReplies).size === carrierReplies.length;
  errors.require(
    carrierReplies === undefined || isKnown,
    'settings.carrierReplies',
    `a list of ${CARRIER_REPLIES.join(', ')}; empty = it answers nothing`,
  );
  errors.throwIfAny();
  if (typeof apiBaseUrl !== 'string') return;
  const url = new URL(checkDestinationUrl(apiBaseUrl, allowLoopback, 'settings.apiBaseUrl'));
  if (url.search !== '') throw invalidField('settings.apiBaseUrl', 'no query: paths are added to it');
}
