import { AppError } from '@posthorn/errors/app-error.js';
import { type CommonSettings, type Provider } from '@posthorn/providers/provider.js';
import { PROVIDERS } from '@posthorn/providers/registry.js';
import { settingFaults } from '@posthorn/providers/setting-rules.js';
import { FieldErrors, invalidField, isName, NAME_RULE, parseObject } from './field-errors.js';
import { type SecretInfo } from './secret.js';
import { splitSettings } from './send-settings.js';

/** active: taken in and processed. paused: taken in, stored, not processed. disabled: refused. */
export const SOURCE_STATUSES = ['active', 'paused', 'disabled'] as const;
export type SourceStatus = (typeof SOURCE_STATUSES)[number];
export type Settings = Readonly<Record<string, unknown>>;

/** A tenant's configured intake for a provider. */
export interface Source {
  readonly sourceId: string;
  readonly name: string;
  readonly provider: string;
  /** As given; what is absent has the provider's default. */
  readonly settings: Settings;
  readonly status: SourceStatus;
  readonly secrets: readonly SecretInfo[];
  readonly createdAtMs: number;
  /** When the credentials for its sends were last given; null when there are none. */
  readonly credentialsSetAtMs: number | null;
}

/** Sources of one tenant. */
export const SOURCES_MAX = 500;
const SETTINGS_LENGTH_MAX = 32_768;
const SECRET_LENGTH_MAX = 8_192;

/** @throws AppError `source.unknown_provider` */
export function providerOf(id: string): Provider {
  const provider = PROVIDERS.get(id);
  if (provider === undefined)
    throw new AppError('source.unknown_provider', {
      detail: `known are ${[...PROVIDERS.keys()].join(', ')}`,
      fields: [{ path: 'provider', message: 'there is no such provider' }],
    });
  return provider;
}

/** @throws AppError `request.invalid`; absent fields are not checked. */
export function checkSource(fields: { readonly name?: string; readonly status?: string }): void {
  const errors = new FieldErrors();
  if (fields.name !== undefined) errors.require(isName(fields.name), 'name', NAME_RULE);
  if (fields.status !== undefined)
    errors.require(
      (SOURCE_STATUSES as readonly string[]).includes(fields.status),
      'status',
      SOURCE_STATUSES.join(', '),
    );
  errors.throwIfAny();
}

/** The settings in a request: one JSON object. @throws AppError `request.invalid` naming `settings`. */
export function parseSettings(text: string): Settings {
  return text === '' ? {} : parseObject('settings', text, SETTINGS_LENGTH_MAX);
}

/** Settings as they may be read: those that the provider calls secret are told by name only. */
export function shownSettings({ provider, settings }: Pick<Source, 'provider' | 'settings'>): {
  readonly shown: Settings;
  readonly hidden: readonly string[];
} {
  const secret = PROVIDERS.get(provider)?.secretSettings ?? [];
  const isSecret = ([name]: [string, unknown]): boolean => secret.includes(name);
  const entries = Object.entries(settings);
  return {
    shown: Object.fromEntries(entries.filter((entry) => !isSecret(entry))),
    hidden: entries.filter(isSecret).map(([name]) => name),
  };
}

/**
 * Settings after a change: a value replaces, null removes, what is absent stays.
 * Source: RFC 7396; settings are flat, so no deeper.
 */
export function mergeSettings(settings: Settings, patch: Settings): Settings {
  const merged = new Map(Object.entries(settings));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, value);
  }
  return Object.fromEntries(merged);
}

/**
 * Checks the settings of intake that are asked for, strictly: by the provider's own schema, and by what no source may
 * have.
 * @returns them with the provider's defaults.
 * @throws AppError `request.invalid` that names each as `settings.<field>`.
 */
export function checkSettings(provider: Provider, settings: Settings): CommonSettings {
  const read = readSettings(provider, settings);
  const errors = new FieldErrors();
  for (const { setting, why } of settingFaults(read)) errors.require(false, `settings.${setting}`, why);
  errors.throwIfAny();
  return read;
}

/**
 * The settings of intake as they stand, with the provider's defaults.
 * Why beside `checkSettings`: a source from before a rule must still get a new secret.
 * @throws AppError `request.invalid` that names each as `settings.<field>`.
 */
export function readSettings(provider: Provider, settings: Settings): CommonSettings {
  const result = provider.settings.safeParse(splitSettings(settings).intake);
  if (result.success) return result.data as CommonSettings;
  const errors = new FieldErrors();
  for (const issue of result.error.issues) {
    const path = ['settings', ...issue.path.map(String)];
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys)
        errors.require(false, [...path, key].join('.'), `${provider.id} has no such setting`);
    else errors.require(false, path.join('.'), issue.message);
  }
  errors.throwIfAny();
  throw new AppError('internal.error');
}

/**
 * The secret of a source: the given one when it fits the scheme, else a new one where the scheme lets us.
 * @returns undefined where the provider needs none and none was given.
 * @throws AppError `request.invalid` or `secret.invalid`, naming `secret`.
 */
export function chooseSecret(
  provider: Provider,
  given: string,
  settings: CommonSettings,
): { readonly value: string; readonly isGenerated: boolean } | undefined {
  if (given !== '') {
    if (given.length > SECRET_LENGTH_MAX)
      throw invalidField('secret', `at most ${SECRET_LENGTH_MAX} characters`);
    checkSecret(provider, given, settings);
    return { value: given, isGenerated: false };
  }
  if (provider.generateSecret !== undefined) return { value: provider.generateSecret(), isGenerated: true };
  if (isSecretRequired(provider, settings))
    throw invalidField('secret', `${provider.id} needs its own secret`);
  return undefined;
}

/** Whether a source with these settings can take nothing without one. */
export const isSecretRequired = (provider: Provider, settings: CommonSettings): boolean =>
  provider.isSecretRequired?.(settings) ?? provider.secretRequired;

function checkSecret(provider: Provider, value: string, settings: CommonSettings): void {
  try {
    provider.validateSecret(value, settings);
  } catch (error) {
    if (!(error instanceof AppError) || error.fields.length > 0) throw error;
    const message = error.detail ?? 'not a secret of this scheme';
    throw new AppError(error.code, { detail: message, fields: [{ path: 'secret', message }] });
  }
}
