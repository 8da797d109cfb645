/** A text with placeholders, taken apart: text and expression alternate, beginning and ending with text. */
export interface RuleTemplate {
  readonly texts: readonly string[];
  readonly expressions: readonly string[];
}

export const PLACEHOLDERS_MAX = 16;
const VALUE_LENGTH_MAX = 512;
/** They mean nothing in a message, and Postgres takes no NUL. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** `Hello {{ event.campaign }}` → texts `Hello `, ``; expression `event.campaign`. An open brace pair stays text. */
export function parseTemplate(text: string): RuleTemplate {
  const parts = text.split(/\{\{((?:(?!\{\{|\}\}).)*)\}\}/s);
  return {
    texts: parts.filter((_, index) => index % 2 === 0),
    expressions: parts.filter((_, index) => index % 2 === 1).map((expression) => expression.trim()),
  };
}

/** @param values one for each expression, in their order. */
export const fillTemplate = ({ texts }: RuleTemplate, values: readonly string[]): string =>
  texts.map((text, index) => text + (values[index] ?? '')).join('');

/** What an expression gave, as it may stand in a message. */
export const asPlaceholder = (value: boolean | string): string =>
  String(value).replace(CONTROL, '').slice(0, VALUE_LENGTH_MAX);
