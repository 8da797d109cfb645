import { AppError } from '@posthorn/errors/app-error.js';
import type { ErrorEntry } from '@posthorn/errors/registry.js';
import type { CommonSettings, Provider, RefusalCause } from '@posthorn/providers/provider.js';

const UNAUTHORIZED = 401;

/** A request that is not authentic, with the status that this provider's retry engine understands. */
export class ProviderRefusal extends AppError {
  constructor(
    cause: RefusalCause,
    detail: string,
    private readonly provider: Pick<Provider, 'refusalStatus' | 'authenticate'>,
    private readonly settings: CommonSettings,
  ) {
    super(cause, { detail });
  }

  /** What `WWW-Authenticate` says; undefined beside any status but 401, and where no scheme of HTTP is wanted. */
  get wanted(): string | undefined {
    return this.entry.http === UNAUTHORIZED ? this.provider.authenticate?.(this.settings) : undefined;
  }

  override get entry(): ErrorEntry {
    return entryOf(super.entry, this.provider.refusalStatus?.[this.code as RefusalCause]);
  }
}

/** An authentic request that the log can never take, with the status that ends this provider's retries. */
export class StoreRefusal extends AppError {
  constructor(
    cause: AppError,
    private readonly provider: Pick<Provider, 'refusalStatus'>,
  ) {
    super('request.invalid', { cause, ...(cause.detail !== undefined && { detail: cause.detail }) });
  }

  override get entry(): ErrorEntry {
    return entryOf(super.entry, this.provider.refusalStatus?.['request.invalid']);
  }
}

const entryOf = (entry: ErrorEntry, http: number | undefined): ErrorEntry =>
  http === undefined ? entry : { ...entry, http };
