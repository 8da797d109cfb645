import { AppError } from '@posthorn/errors/app-error.js';

/** The detail of a `store.unavailable` whose transaction may have been committed. */
export const OUTCOME_UNKNOWN = 'outcome unknown';

/**
 * SQLSTATEs that say nothing about the request: the same one can succeed later.
 * Source: PostgreSQL documentation, appendix A, read 2026-11.
 */
const RETRYABLE_CLASSES: ReadonlySet<string> = new Set([
  '08', // connection exception
  '53', // insufficient resources: connections, memory, disk
  '58', // system error
]);
const RETRYABLE_STATES: ReadonlySet<string> = new Set([
  '25006', // read-only: a standby that has not been promoted yet
  '25P03', // idle in transaction for too long
  '40001', // serialization failure
  '40P01', // deadlock
  '55P03', // lock timeout
  '57014', // statement timeout
  '57P01', // shutdown by an administrator
  '57P02', // shutdown because another backend crashed
  '57P03', // starting or stopping
  '57P05', // session idle for too long
]);
const NEVER_COMMITTED: ReadonlySet<string> = new Set(['40001', '40P01', '55P03']);

/** The five characters by which Postgres names an error, or undefined when it is not from the server. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  // `severity` tells a server's message from a system error such as EPIPE, which has five characters, too.
  const isFromServer = (error as { severity?: unknown } | null)?.severity !== undefined;
  return isFromServer && typeof code === 'string' && code.length === 5 ? code : undefined;
}

/** Whether a unique constraint refused a row. */
export const isUniqueViolation = (error: unknown): boolean => sqlState(error) === '23505';

/** Whether a row itself was refused: bad data (class 22) or a constraint (class 23). Never retryable. */
export const isDataError = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? '');

/**
 * Whether a row was on its way to one partition while another one for it was attached: it says nothing about the
 * row. A check of ours names its constraint, this does not.
 */
const isPartitionRace = (error: unknown): boolean =>
  sqlState(error) === '23514' && ((error as { constraint?: unknown }).constraint ?? '') === '';

/** Whether the transaction may have been committed although it failed here. */
export const isOutcomeUnknown = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'store.unavailable' && error.detail === OUTCOME_UNKNOWN;

/** When the failure happened: before, or after the server may have made the work durable. */
export type FailurePhase = 'work' | 'commit';

/**
 * What a failed call to pg becomes: `store.unavailable` when the store is the reason, else unchanged.
 * @param phase `commit` when a success could have reached the disk before the failure.
 */
export function asStoreError(error: unknown, phase: FailurePhase): unknown {
  if (error instanceof AppError) return error;
  const state = sqlState(error);
  if (state !== undefined) {
    if (isPartitionRace(error)) return unavailable(error, undefined);
    if (!RETRYABLE_CLASSES.has(state.slice(0, 2)) && !RETRYABLE_STATES.has(state)) return error;
    const isUnknown = phase === 'commit' && !NEVER_COMMITTED.has(state);
    return unavailable(error, isUnknown ? OUTCOME_UNKNOWN : undefined);
  }
  // A value that cannot be written as a parameter is a bug of ours, not of the store.
  const name = (error as { name?: unknown } | null)?.name;
  if (name === 'TypeError' || name === 'RangeError') return error;
  return unavailable(error, phase === 'commit' ? OUTCOME_UNKNOWN : undefined);
}

/** Whether the connection is of no use any more: the failure is not an answer of the server. */
export const isConnectionLost = (error: unknown): boolean => {
  if (!(error instanceof AppError) || error.code !== 'store.unavailable') return false;
  const state = sqlState(error.cause);
  return state === undefined || /^(08|57P|25P03)/.test(state);
};

const unavailable = (cause: unknown, detail: string | undefined): AppError =>
  new AppError('store.unavailable', { cause, ...(detail !== undefined && { detail }) });
