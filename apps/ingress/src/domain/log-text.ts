/** Longer texts are no identifiers; the log keeps columns small. */
export const TEXT_LENGTH_MAX = 256;
const CONTROL = /[\u0000-\u001f\u007f]/;
const CONTROLS = /[\u0000-\u001f\u007f]/g;

/**
 * A provider's text as the log can keep it: without control characters, at most 256 characters.
 * Why: Postgres takes no NUL, and one odd field must not cost an authentic request. The exact bytes are in
 * the raw request.
 */
export function logText(text: string): string {
  const bounded = text.length > TEXT_LENGTH_MAX ? text.slice(0, TEXT_LENGTH_MAX) : text;
  return CONTROL.test(bounded) ? bounded.replace(CONTROLS, '') : bounded;
}
