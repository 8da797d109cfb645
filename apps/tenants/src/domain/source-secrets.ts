import { AppError } from '@posthorn/errors/app-error.js';
import { type Provider } from '@posthorn/providers/provider.js';
import { FieldErrors } from './field-errors.js';
import { isSecretRequired, mergeSettings, readSettings, type Settings } from './source.js';

/**
 * Refuses a change of settings by which the secrets that a source has would stop to prove anything: from then on every
 * genuine request would be refused.
 * Why against the settings before: where a secret does not fit them either, the change does not make it worse, and may
 * be the one that mends it.
 * @param secrets the values that are valid now.
 * @throws AppError `request.invalid` naming the settings that do it.
 */
export function checkSecretsFit(
  provider: Provider,
  before: Settings,
  after: Settings,
  secrets: readonly string[],
): void {
  const misfit = misfitOf(provider, after, secrets);
  if (misfit === undefined || misfitOf(provider, before, secrets) !== undefined) return;
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const alone = changed.filter(
    (name) =>
      misfitOf(provider, mergeSettings(before, { [name]: after[name] ?? null }), secrets) !== undefined,
  );
  const errors = new FieldErrors();
  for (const name of alone.length > 0 ? alone : changed) errors.require(false, `settings.${name}`, misfit);
  errors.throwIfAny();
}

/** Why some of the secrets cannot serve these settings; undefined when all can. */
function misfitOf(provider: Provider, settings: Settings, secrets: readonly string[]): string | undefined {
  try {
    const read = readSettings(provider, settings);
    if (secrets.length === 0)
      return isSecretRequired(provider, read)
        ? 'the source has no secret, and would need one: rotate to one first'
        : undefined;
    for (const value of secrets) provider.validateSecret(value, read);
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return `a secret of the source that is still valid does not fit (${error.detail ?? error.code}): rotate to one that does first`;
  }
}
