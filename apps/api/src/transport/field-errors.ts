import { AppError, type FieldError } from '@posthorn/errors/app-error.js';
import { type z } from 'zod';

/** The fields that an issue is about. An unknown key is reported at its own path, not at its parent's. */
export function fieldsOf(issue: z.core.$ZodIssue, prefix: readonly string[]): FieldError[] {
  const path = [...prefix, ...issue.path.map(String)];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'there is no such field' }));
  return [{ path: path.join('.'), message: issue.message }];
}

/** A request that is not valid because of these fields. */
export const invalid = (fields: readonly FieldError[]): AppError =>
  new AppError('request.invalid', {
    detail: fields.map(({ path, message }) => `${path}: ${message}`).join('; '),
    fields,
  });

/** U+0000, and half of a surrogate pair. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
const EACH_UNSTORABLE = new RegExp(UNSTORABLE, 'gu');
/** Fields of one request that are named for such a character; one is enough to refuse it. */
const UNSTORABLE_FIELDS_MAX = 20;
/** Of one path: as deep as no valid body is. */
const NAMES_MAX = 32;

/**
 * The fields, at any depth, whose text or name Postgres cannot keep. Why: it takes no U+0000 in a text, and neither it
 * nor the wire between services takes half of a character; only services that keep the field would notice, as a fault.
 */
export function unstorable(value: unknown, prefix: readonly string[]): FieldError[] {
  const found: FieldError[] = [];
  // Not by recursion: a body may be nested deeper than the stack is.
  const waiting: { readonly value: unknown; readonly at: Place | undefined }[] = [{ value, at: undefined }];
  const refuse = (at: Place | undefined): void => {
    found.push({
      path: [...prefix, ...namesOf(at)].join('.'),
      message: 'has a character that cannot be kept',
    });
  };
  while (waiting.length > 0 && found.length < UNSTORABLE_FIELDS_MAX) {
    const { value: each, at } = waiting.pop()!;
    if (typeof each === 'string' && UNSTORABLE.test(each)) refuse(at);
    if (typeof each !== 'object' || each === null) continue;
    for (const [name, inner] of Object.entries(each).reverse()) {
      const place = { name, outer: at };
      if (UNSTORABLE.test(name)) refuse(place);
      else waiting.push({ value: inner, at: place });
    }
  }
  return found;
}

interface Place {
  readonly name: string;
  readonly outer: Place | undefined;
}

function namesOf(at: Place | undefined): string[] {
  const names: string[] = [];
  for (let place = at; place !== undefined; place = place.outer)
    names.push(place.name.replaceAll(EACH_UNSTORABLE, '\u{fffd}'));
  return names.reverse().slice(0, NAMES_MAX);
}
