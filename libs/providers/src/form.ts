/** Fields of a form in order of first appearance; a name may have several values. */
export type FormFields = ReadonlyMap<string, readonly string[]>;

const FIELDS_MAX = 1000;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

/**
 * Parses application/x-www-form-urlencoded, strictly and bounded.
 * @returns undefined for a bad escape, bytes that are not UTF-8, a part without `=`, or more than 1,000 fields.
 * Why not URLSearchParams: it repairs what it does not understand, and a signature over repaired values
 * accepts bodies that were never signed. Blanks are kept: they are signed too.
 */
export function parseForm(text: string): FormFields | undefined {
  const fields = new Map<string, string[]>();
  if (text === '') return fields;
  if (BAD_ESCAPE.test(text)) return undefined;
  const parts = text.split('&', FIELDS_MAX + 1);
  if (parts.length > FIELDS_MAX) return undefined;
  for (const part of parts) {
    const equals = part.indexOf('=');
    if (equals === -1) return undefined;
    const [name, value] = [decode(part.slice(0, equals)), decode(part.slice(equals + 1))];
    if (name === undefined || value === undefined) return undefined;
    const values = fields.get(name);
    if (values === undefined) fields.set(name, [value]);
    else values.push(value);
  }
  return fields;
}

function decode(text: string): string | undefined {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return undefined;
  }
}
