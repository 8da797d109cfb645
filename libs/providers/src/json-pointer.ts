const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;
const DEPTH_MAX = 32;

/** Whether a text is a JSON Pointer. Source: RFC 6901, read 2026-11. */
export const isJsonPointer = (text: string): boolean =>
  POINTER.test(text) && text.split('/').length <= DEPTH_MAX;

/** Pointers come from settings: few, and the same for every request. */
const CACHED_MAX = 1_024;
const names = new Map<string, readonly string[]>();

function namesOf(pointer: string): readonly string[] {
  let found = names.get(pointer);
  if (found !== undefined) return found;
  found = pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (names.size >= CACHED_MAX) names.clear();
  names.set(pointer, found);
  return found;
}

/** The value a JSON Pointer points to, or undefined. Own properties only. */
export function atPointer(value: unknown, pointer: string): unknown {
  let current = value;
  for (const name of namesOf(pointer)) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, name)) return undefined;
    current = (current as Record<string, unknown>)[name];
  }
  return current;
}

/** The string, number or boolean a pointer points to as text; undefined for anything else. */
export function textAt(value: unknown, pointer: string): string | undefined {
  const found = atPointer(value, pointer);
  if (typeof found === 'string') return found;
  return typeof found === 'number' || typeof found === 'boolean' ? String(found) : undefined;
}
