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
    const entry = super.entry;
    const http = this.provider.refusalStatus?.[this.code as RefusalCause];
    return http === undefined ? entry : { ...entry, http };
  }
}
