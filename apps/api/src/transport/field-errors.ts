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
