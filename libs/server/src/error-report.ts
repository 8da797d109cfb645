import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Logger } from './logger.js';

/**
 * What the outside may know of an error.
 * An AppError stays as it is. Anything else is a bug: it becomes `internal.error` with a fixed text, and the
 * log gets its whole stack under the occurrence ID that the caller sees.
 */
export function reportError(error: unknown, where: string, log: Logger, clock: Clock): AppError {
  if (error instanceof AppError) {
    if (error.code === 'internal.error' || error.code === 'ciphertext.invalid')
      log.error({ err: error, code: error.code, method: where }, 'a call failed');
    else log.debug({ err: error, code: error.code, method: where }, 'a call was refused');
    return error;
  }
  const occurrenceId = uuidText(newUuid(clock.nowMs()));
  log.error({ err: error, code: 'internal.error', method: where, occurrenceId }, 'a call failed');
  return new AppError('internal.error', { detail: `occurrence ${occurrenceId}`, cause: error });
}
