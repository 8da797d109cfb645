import { ERRORS, type ErrorCode, type ErrorEntry } from './registry.js';

/** One field that failed validation. `path` is dotted, `message` may be shown. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** What an AppError carries beside its code. */
export interface AppErrorOptions {
  /** May be shown to the caller. */
  readonly detail?: string;
  /** Never shown. */
  readonly cause?: unknown;
  readonly retryAfterMs?: number;
  readonly fields?: readonly FieldError[];
}

/** The one error type of the house. A plain Error means a bug. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly fields: readonly FieldError[];

  constructor(
    readonly code: ErrorCode,
    options: AppErrorOptions = {},
  ) {
    super(options.detail === undefined ? code : `${code}: ${options.detail}`, { cause: options.cause });
    this.detail = options.detail;
    this.retryAfterMs = options.retryAfterMs;
    this.fields = options.fields ?? [];
  }

  get entry(): ErrorEntry {
    return ERRORS[this.code];
  }
}
