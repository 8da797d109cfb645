import { AppError, type FieldError } from '@posthorn/errors/app-error.js';
import { readTenantKeywords } from '@posthorn/providers/tenant-keywords.js';
import { QUESTION_DAYS_MAX, QUESTION_DAYS_MIN } from '../consent-state.js';
import { isSendChannel, type SendChannel } from '../suppression.js';
import { answerTextsOf } from './answer-texts.js';
import { isKnownPlace } from './place-tables.js';
import {
  DAYS,
  DEFAULT_POLICY,
  EVERYWHERE,
  type FrequencyCap,
  type PlaceHours,
  type TenantPolicy,
  type Week,
} from './tenant-policy.js';

export const PLACES_MAX = 100;
export const CAPS_MAX = 8;
export const CAP_COUNT_MAX = 1_000;
/** Earlier sends are known for so long. */
export const CAP_WINDOW_HOURS_MAX = 24;
export const RETENTION_DAYS_MAX = 3_650;

const HOURS = /^(?:[01]\d|2[0-3]):[0-5]\d-(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/;

/**
 * A policy from JSON. A field that is missing has its default; one that is not known is an error.
 * @throws AppError `request.invalid` with every field that is wrong.
 */
export function parsePolicy(value: unknown): TenantPolicy {
  const reader = new PolicyReader();
  const policy = reader.policy(value);
  if (reader.errors.length === 0) return policy;
  throw new AppError('request.invalid', { detail: 'The policy is not valid.', fields: reader.errors });
}

/**
 * The policy after a change. What a tenant can set is added to the law, so it only makes it stricter; hours in the
 * place of the law's stay as an operator left them.
 * @throws AppError `request.invalid`; `principal.forbidden` when a tenant changes the replaced hours.
 */
export function mergePolicy(current: TenantPolicy, value: unknown, by: 'tenant' | 'operator'): TenantPolicy {
  const wanted = parsePolicy(value);
  if (by === 'operator') return wanted;
  const isNamed = isRecord(value) && value['replacedHours'] !== undefined;
  if (isNamed && JSON.stringify(wanted.replacedHours) !== JSON.stringify(current.replacedHours)) {
    throw new AppError('principal.forbidden', { detail: 'Only an operator sets replacedHours.' });
  }
  return { ...wanted, replacedHours: current.replacedHours };
}

const DAYS_CLOSED = Object.fromEntries(DAYS.map((day) => [day, ''])) as unknown as Week;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads what it can and notes what it cannot. */
class PolicyReader {
  readonly errors: FieldError[] = [];

  policy(value: unknown): TenantPolicy {
    const policy = this.record(value, '', Object.keys(DEFAULT_POLICY));
    const quiet = this.record(policy['quietHours'], 'quietHours', Object.keys(DEFAULT_POLICY.quietHours));
    const words = this.record(policy['keywords'], 'keywords', Object.keys(DEFAULT_POLICY.keywords));
    const { keywords, errors } = readTenantKeywords(words);
    this.errors.push(...errors);
    return {
      quietHours: {
        hours: this.placeHours(quiet['hours'], 'quietHours.hours', true),
        channels: this.channels(quiet['channels'], 'quietHours.channels'),
        isTransactionalQuiet: this.flag(quiet['isTransactionalQuiet'], 'quietHours.isTransactionalQuiet'),
      },
      caps: this.caps(policy['caps'], 'caps'),
      keywords,
      retention: this.retention(policy['retention']),
      doubleOptIn: this.doubleOptIn(policy['doubleOptIn']),
      answers: answerTextsOf(
        this.record(policy['answers'], 'answers', Object.keys(DEFAULT_POLICY.answers)),
        this.errors,
      ),
      replacedHours: this.placeHours(policy['replacedHours'], 'replacedHours', false),
    };
  }

  private wrong(path: string, message: string): void {
    this.errors.push({ path, message });
  }

  private record(value: unknown, path: string, fields: readonly string[]): Record<string, unknown> {
    if (value === undefined) return {};
    if (!isRecord(value)) {
      this.wrong(path, 'must be an object');
      return {};
    }
    for (const key of Object.keys(value)) {
      if (!fields.includes(key)) this.wrong(path === '' ? key : `${path}.${key}`, 'is not a known field');
    }
    return value;
  }

  private list(value: unknown, path: string, max: number): readonly unknown[] {
    if (value === undefined) return [];
    if (Array.isArray(value) && value.length <= max) return value;
    this.wrong(path, `must be a list of at most ${max}`);
    return [];
  }

  private flag(value: unknown, path: string): boolean {
    if (value !== undefined && typeof value !== 'boolean') this.wrong(path, 'must be true or false');
    return value === true;
  }

  private channels(value: unknown, path: string): readonly SendChannel[] {
    const channels = this.list(value, path, 4).filter((channel, index): channel is SendChannel => {
      const isGood = typeof channel === 'string' && isSendChannel(channel);
      if (!isGood) this.wrong(`${path}.${index}`, 'must be a channel');
      return isGood;
    });
    return [...new Set(channels)];
  }

  private caps(value: unknown, path: string): readonly FrequencyCap[] {
    return this.list(value, path, CAPS_MAX).map((item, index) => {
      const at = `${path}.${index}`;
      const { count, windowHours } = this.record(item ?? null, at, ['count', 'windowHours']);
      return {
        count: this.integer(count, `${at}.count`, CAP_COUNT_MAX),
        windowHours: this.integer(windowHours, `${at}.windowHours`, CAP_WINDOW_HOURS_MAX),
      };
    });
  }

  private retention(value: unknown): TenantPolicy['retention'] {
    const usual = DEFAULT_POLICY.retention;
    const given = this.record(value, 'retention', Object.keys(usual));
    const days = (name: keyof TenantPolicy['retention']): number =>
      given[name] === undefined
        ? usual[name]
        : this.integer(given[name], `retention.${name}`, RETENTION_DAYS_MAX);
    return { rawDays: days('rawDays'), contentDays: days('contentDays'), eventDays: days('eventDays') };
  }

  private doubleOptIn(value: unknown): TenantPolicy['doubleOptIn'] {
    const { answerDays } = this.record(value, 'doubleOptIn', Object.keys(DEFAULT_POLICY.doubleOptIn));
    if (answerDays === undefined) return DEFAULT_POLICY.doubleOptIn;
    return {
      answerDays: this.integer(answerDays, 'doubleOptIn.answerDays', QUESTION_DAYS_MAX, QUESTION_DAYS_MIN),
    };
  }

  private integer(value: unknown, path: string, max: number, min = 1): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    this.wrong(path, `must be a whole number, ${min}–${max}`);
    return min;
  }

  private placeHours(value: unknown, path: string, canBeEverywhere: boolean): readonly PlaceHours[] {
    const hours = this.list(value, path, PLACES_MAX).map((item, index) => {
      const at = `${path}.${index}`;
      const { place, week } = this.record(item ?? null, at, ['place', 'week']);
      const isPlace =
        typeof place === 'string' && (isKnownPlace(place) || (canBeEverywhere && place === EVERYWHERE));
      if (!isPlace) this.wrong(`${at}.place`, 'must be a country, a US state such as US-FL, or EU');
      return { place: String(place), week: this.week(week, `${at}.week`) };
    });
    if (new Set(hours.map(({ place }) => place)).size < hours.length) this.wrong(path, 'has a place twice');
    return hours;
  }

  private week(value: unknown, path: string): Week {
    const days = this.record(value ?? null, path, DAYS);
    if (!isRecord(value)) return DAYS_CLOSED;
    const week = Object.fromEntries(
      DAYS.map((day) => [day, this.hours(days[day], `${path}.${day}`)]),
    ) as unknown as Week;
    if (DAYS.every((day) => week[day] === '')) this.wrong(path, 'has no open hours');
    return week;
  }

  private hours(value: unknown, path: string): string {
    if (value === '') return value;
    if (typeof value === 'string' && HOURS.test(value) && value.slice(0, 5) < value.slice(6)) return value;
    this.wrong(path, 'must be hours such as 09:00-18:00, or empty for a closed day');
    return '';
  }
}
