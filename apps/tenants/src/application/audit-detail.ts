import { providerOf, type Settings } from '../domain/source.js';

/** Stands for a value that is not told. */
const UNTOLD = 'not told';

/** The fields that differ, before and after. Fields that may hold secrets must not be among `names`. */
export function changedFields<T extends object>(
  before: T,
  after: T,
  names: readonly (keyof T & string)[],
): { before: Record<string, unknown>; after: Record<string, unknown> } {
  const changed = names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  const only = (from: T): Record<string, unknown> =>
    Object.fromEntries(changed.map((name) => [name, from[name] as unknown]));
  return { before: only(before), after: only(after) };
}

/** Settings of a source as the audit tells them: of what its provider calls secret only whether it is there. */
export function toldSettings(provider: string, settings: Settings): Settings {
  const { secretSettings = [] } = providerOf(provider);
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, secretSettings.includes(name) ? UNTOLD : value]),
  );
}

/** The same before and after a change, where it is one: of what is secret, that it changed. */
export function changedSettings(
  provider: string,
  before: Settings,
  after: Settings,
): { before: Settings; after: Settings } | undefined {
  if (JSON.stringify(before) === JSON.stringify(after)) return undefined;
  const { secretSettings = [] } = providerOf(provider);
  const isChangedSecret = (name: string): boolean =>
    secretSettings.includes(name) && name in before && before[name] !== after[name];
  return {
    before: toldSettings(provider, before),
    after: Object.fromEntries(
      Object.entries(toldSettings(provider, after)).map(([name, value]) => [
        name,
        isChangedSecret(name) ? `${UNTOLD}, changed` : value,
      ]),
    ),
  };
}
