import { AppError, type FieldError } from '@posthorn/errors/app-error.js';

/** Collects what is wrong with a request, so that one answer names every wrong field. */
export class FieldErrors {
  private readonly fields: FieldError[] = [];

  /** Notes the field when the condition does not hold. */
  require(isRight: boolean, path: string, message: string): void {
    if (!isRight) this.fields.push({ path, message });
  }

  /** @throws AppError `request.invalid` when anything was noted. */
  throwIfAny(): void {
    if (this.fields.length === 0) return;
    throw new AppError('request.invalid', {
      detail: this.fields.map(({ path, message }) => `${path}: ${message}`).join('; '),
      fields: this.fields,
    });
  }
}

/** The error of a single field. */
export const invalidField = (path: string, message: string): AppError =>
  new AppError('request.invalid', { detail: `${path}: ${message}`, fields: [{ path, message }] });

/**
 * The JSON object in a request's field.
 * @throws AppError `request.invalid` naming the field, never a value of it.
 */
export function parseObject(
  path: string,
  text: string,
  lengthMax: number,
): Readonly<Record<string, unknown>> {
  if (text.length > lengthMax) throw invalidField(path, `at most ${lengthMax} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidField(path, 'expected a JSON object');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidField(path, 'expected a JSON object');
  return value as Readonly<Record<string, unknown>>;
}

/** The error of a list that is full. */
export const reachedLimit = (path: string, message: string): AppError =>
  new AppError('limit.reached', { detail: message, fields: [{ path, message }] });

const NAME_LENGTH_MAX = 200;

/** Whether a text can name a thing: 1–200 characters, no control characters, no blanks around it. */
export const isName = (text: string): boolean =>
  text.length > 0 &&
  text.length <= NAME_LENGTH_MAX &&
  text.trim() === text &&
  !/[\u0000-\u001f\u007f]/.test(text);

export const NAME_RULE = `1 to ${NAME_LENGTH_MAX} characters, no control characters, no blanks around`;
