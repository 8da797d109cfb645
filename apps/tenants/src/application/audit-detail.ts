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
