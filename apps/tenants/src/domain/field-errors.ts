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
