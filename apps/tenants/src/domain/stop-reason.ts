import { invalidField } from './field-errors.js';

const REASON_LENGTH_MAX = 500;

/** Why something was stopped, for the audit log; may be empty. @throws AppError `request.invalid` naming `reason`. */
export function checkReason(reason: string): void {
  if (reason.length > REASON_LENGTH_MAX || /[\u0000-\u001f\u007f]/.test(reason))
    throw invalidField('reason', `at most ${REASON_LENGTH_MAX} characters, no control characters`);
}
